package admin

import (
	"context"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
)

// arrivalsIn selects objects by what the index knows.
type arrivalsIn struct {
	PageIn
	Type  string `query:"type" maxLength:"256" doc:"Objects of this STIX type, such as indicator"`
	Topic string `query:"topic" maxLength:"256" doc:"Objects on this topic"`
	Org   string `query:"org" maxLength:"512" doc:"Objects of this organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	State string `query:"state" enum:",accepted,held,not-evaluated,withdrawn,refused" doc:"Objects in this state"`
}

func (s *searchResource) registerArrivals(a huma.API) {
	handle(a, huma.Operation{
		OperationID: "objects", Method: http.MethodGet, Path: "/objects", Summary: "Objects in the order in which they arrived",
		Description: "The cursor stands on the node's own arrival sequence: whoever follows it sees each object once, however many arrive meanwhile. " +
			"A page may hold less than it might, when few of what it looked at were selected: ask on until next is absent. " +
			"resume is always there: pass it on as cursor later, to see what came since.",
	}, s.arrivals)
}

// arrivals walks the change sequence forward from the cursor, as scan walks it back.
func (s *searchResource) arrivals(ctx context.Context, in *arrivalsIn) (*body[api.Arrivals], error) {
	q, err := s.query(&searchIn{Type: in.Type, Topic: in.Topic, Org: in.Org, State: in.State})
	if err != nil {
		return nil, err
	}
	first, skip, going, err := readArrivalCursor("objects", in.Cursor)
	if err != nil {
		return nil, err
	}
	after := uint64(0)
	if going && first > 0 {
		after = first - 1
	}
	list := api.List[api.Object]{Items: []api.Object{}}
	page := s.newPage("objects", in.Limit, &list)
	for !page.over() {
		changes, err := s.store.Changes(after, arrivalWindow)
		if err != nil {
			return nil, err
		}
		if last := s.store.Sequence(); len(changes) == 0 && after > last {
			return nil, behindEnd(after, last)
		}
		if len(changes) == 0 {
			return answer(arrived(list, arrivalCursor("objects", after+1, 0)))
		}
		for _, c := range changes {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			from := 0
			if c.Seq == first {
				from = skip
			}
			if err := page.take(q, c, from); err != nil {
				return nil, err
			}
			if after = c.Seq; page.over() {
				break
			}
		}
	}
	if list.Next == "" {
		list.Next = arrivalCursor("objects", after+1, 0)
	}
	return answer(arrived(list, list.Next))
}

func arrived(l api.List[api.Object], resume string) api.Arrivals {
	return api.Arrivals{Items: l.Items, Next: l.Next, Unreadable: l.Unreadable, Resume: resume}
}

// arrivalWindow is how many changes are read at a time, walking forward: a page is mostly full after a few.
const arrivalWindow = 32
