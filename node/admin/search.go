package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

const (
	// searchFor is how long one call looks before it answers with what it has found; the cursor goes on from there. What
	// few objects match is then found in many short pages, each of which is there at once.
	searchFor = 10 * time.Millisecond
	// searchAtLeast is how many changes one call looks at however long that takes.
	searchAtLeast = 6
	// searchWindow is how many changes are read at a time, walking back.
	searchWindow = 128
)

type searchResource struct {
	names    names
	store    *storage.Store
	patience time.Duration // searchFor but in tests
}

type searchIn struct {
	PageIn
	Query string    `query:"q" maxLength:"4096" doc:"A value, or text that stands in the object, in any case; all objects without"`
	Type  string    `query:"type" doc:"Objects of this STIX type, such as indicator"`
	Topic string    `query:"topic" doc:"Objects on this topic"`
	Org   string    `query:"org" doc:"Objects of this organisation: petname, id, or a unique beginning of 8 hex digits or more"`
	State string    `query:"state" enum:",accepted,held,not-evaluated,withdrawn,refused" doc:"Objects in this state"`
	Since time.Time `query:"since" doc:"Objects signed at this time or later"`
	Until time.Time `query:"until" doc:"Objects signed before this time"`
}

func (s *searchResource) register(a huma.API) {
	s.registerArrivals(a)
	handle(a, huma.Operation{
		OperationID: "search", Method: http.MethodGet, Path: "/search", Summary: "Objects that a text or a value stands in, newest first",
		Description: "A value (an address, a domain, a hash) is looked up exactly: a domain finds none of its subdomains. Anything else is looked for in the objects' text in any case. " +
			"A page may be short or empty while next is there: it is given after some milliseconds, so ask on until next is absent.",
	}, s.get)
}

// maxName bounds, in characters, the name of an object in a list.
const maxName = 200

// nameAll adds the names that authors gave their objects: they stand in the
// bodies, not in the index. What cannot be opened stays without.
func (s *searchResource) nameAll(items []api.Object) {
	var last string
	var bodies []protocol.Leaf
	for i := range items {
		o := &items[i]
		if o.Record != last {
			last, bodies = o.Record, nil
			if id, err := protocol.ParseRecordID(o.Record); err == nil {
				bodies, _ = s.open(id)
			}
		}
		var said struct{ Name string }
		if o.Index < len(bodies) && json.Unmarshal(bodies[o.Index].Object, &said) == nil {
			name := []rune(said.Name)
			o.Name = string(name[:min(len(name), maxName)])
		}
	}
}

func (s *searchResource) get(ctx context.Context, in *searchIn) (*body[api.List[api.Object]], error) {
	q, err := s.query(in)
	if err != nil {
		return nil, err
	}
	if q.value.Type != pattern.Text && in.Query != "" {
		return s.named(q, in)
	}
	return s.scan(ctx, q, in)
}

// named gives the objects that name a value, which are found together.
func (s *searchResource) named(q *query, in *searchIn) (*body[api.List[api.Object]], error) {
	hits, _, err := s.store.Lookup(q.value, s.names.known())
	if err != nil {
		return nil, err
	}
	found := api.List[storage.Hit]{Items: slices.DeleteFunc(hits, func(h storage.Hit) bool { return !q.admits(h) })}
	page, err := paged("search-value", found, in.PageIn, func(h storage.Hit) string {
		return fmt.Sprintf("%s%s%020d", newestFirst(h.Created), h.Record, h.Index)
	})
	if err != nil {
		return nil, err
	}
	list := api.List[api.Object]{Items: []api.Object{}, Next: page.Body.Next}
	for _, h := range page.Body.Items {
		list.Items = append(list.Items, s.show(h))
	}
	s.nameAll(list.Items)
	return answer(list)
}

// scan walks the change sequence back from the cursor. It stops when the page is
// full or when it has looked for long enough; Next says where to go on. What
// cannot be opened is counted and left out.
func (s *searchResource) scan(ctx context.Context, q *query, in *searchIn) (*body[api.List[api.Object]], error) {
	list := api.List[api.Object]{Items: []api.Object{}}
	at, skip, err := s.start(in.Cursor)
	if err != nil {
		return nil, err
	}
	w, page := &walk{store: s.store, at: at}, s.newPage("search", in.Limit, &list)
	for !page.over() {
		c, ok, err := w.next()
		if err != nil || !ok {
			return &body[api.List[api.Object]]{list}, err
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		from := 0
		if c.Seq == at {
			from = skip
		}
		if err := page.take(q, c, from); err != nil {
			return nil, err
		}
	}
	if list.Next == "" && w.at > 0 {
		list.Next = arrivalCursor("search", w.at, 0)
	}
	return answer(list)
}

// objectPage is a page of objects that is filled change by change, until it is full or took long enough.
type objectPage struct {
	*searchResource
	name   string
	limit  int
	list   *api.List[api.Object]
	began  time.Time
	looked int
}

func (s *searchResource) newPage(name string, limit int, list *api.List[api.Object]) *objectPage {
	return &objectPage{searchResource: s, name: name, limit: limit, list: list, began: time.Now()}
}

// over reports whether the page is to be given as it is.
func (p *objectPage) over() bool {
	return p.list.Next != "" || p.looked >= searchAtLeast && time.Since(p.began) >= p.patience
}

// take adds the selected objects of one change's record, from a place on; Next says where the page was full.
func (p *objectPage) take(q *query, c storage.Change, from int) error {
	p.looked++
	if !c.Arrived() { // later changes of a record list it once more
		return nil
	}
	hits, err := p.matches(q, c.Record)
	if reason.Of(err) == reason.StoreDamaged {
		// One bad record must not take the list of all the others.
		log.Warnw("record left out of a list", "list", p.name, "record", c.Record, "err", err)
		p.list.Unreadable++
		return nil
	}
	if err != nil {
		return err
	}
	before := len(p.list.Items)
	for _, h := range hits {
		if h.Index < from {
			continue
		}
		if len(p.list.Items) == p.limit {
			p.list.Next = arrivalCursor(p.name, c.Seq, h.Index)
			break
		}
		p.list.Items = append(p.list.Items, p.show(h))
	}
	p.nameAll(p.list.Items[before:]) // here, since it is what takes longest
	return nil
}

// show is an object as a list shows it: without its body and its other versions.
func (s *searchResource) show(h storage.Hit) api.Object {
	o := s.names.object(h)
	o.Received, o.From, _ = s.store.Source(h.Record) // a record that has just expired has none
	return o
}

// start reads a cursor: the change to begin with, and the first object of its record.
func (s *searchResource) start(cursor string) (seq uint64, index int, err error) {
	seq, index, going, err := readArrivalCursor("search", cursor)
	if err == nil && !going {
		seq = s.store.Sequence()
	}
	return seq, index, err
}

// walk steps back through the change sequence.
type walk struct {
	store  *storage.Store
	at     uint64 // the next change to look at
	window []storage.Change
}

// next gives the change before; ok is false when there is none.
func (w *walk) next() (c storage.Change, ok bool, err error) {
	if len(w.window) == 0 && w.at > 0 {
		first := w.at - min(w.at, searchWindow)
		if w.window, err = w.store.Changes(first, int(w.at-first)); err != nil {
			return c, false, err
		}
	}
	if len(w.window) == 0 { // the beginning, or forgotten by expiry: nothing older is there
		w.at = 0
		return c, false, nil
	}
	c = w.window[len(w.window)-1]
	w.window = w.window[:len(w.window)-1]
	w.at = c.Seq - 1
	return c, true, nil
}

// query is a search request, read.
type query struct {
	in    *searchIn
	text  string             // lower case
	value pattern.Observable // the query as a value
	org   *protocol.OrgID    // nil for any
	topic *protocol.Topic    // nil for any
}

func (s *searchResource) query(in *searchIn) (*query, error) {
	q := &query{in: in, text: strings.ToLower(in.Query), value: pattern.Refang(in.Query)}
	if in.Org != "" {
		org, err := s.names.resolve(in.Org)
		if err != nil {
			return nil, err
		}
		q.org = &org
	}
	if in.Topic != "" {
		topic, err := parseTopic(in.Topic)
		if err != nil {
			return nil, err
		}
		q.topic = &topic
	}
	return q, nil
}

// admits holds a hit against everything but the text.
func (q *query) admits(h storage.Hit) bool {
	in := q.in
	return (q.org == nil || h.Org == *q.org) && (q.topic == nil || h.Topic == *q.topic) &&
		(in.Type == "" || h.Type == in.Type) && (in.State == "" || stateOf(h) == in.State) &&
		(in.Since.IsZero() || !h.Created.Before(in.Since)) && (in.Until.IsZero() || h.Created.Before(in.Until))
}

// matches gives the objects of one record that the query is about. A record that
// is gone by now has none; store.damaged is of this record alone.
func (s *searchResource) matches(q *query, id protocol.RecordID) ([]storage.Hit, error) {
	leaves, err := s.store.Leaves(id)
	if reason.Of(err) == reason.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	leaves = slices.DeleteFunc(leaves, func(h storage.Hit) bool { return !q.admits(h) })
	if q.text == "" || len(leaves) == 0 {
		return leaves, nil
	}
	bodies, err := s.open(id)
	if reason.Of(err) == reason.NotFound {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if last := leaves[len(leaves)-1].Index; last >= len(bodies) {
		return nil, reason.New(reason.StoreDamaged, fmt.Sprintf("open record %s: the index names object %d of %d", id, last, len(bodies)))
	}
	return slices.DeleteFunc(leaves, func(h storage.Hit) bool { return !q.mentions(h, bodies[h.Index].Object) }), nil
}

// open reads a record's objects past the store's cache, which a walk over all
// records would only empty. Its signature was checked when it came; the
// certificate may be forgotten since.
func (s *searchResource) open(id protocol.RecordID) ([]protocol.Leaf, error) {
	raw, _, err := s.store.Record(id)
	if err != nil {
		return nil, err
	}
	_, leaves, err := protocol.OpenStored(raw)
	if err != nil {
		return nil, reason.Wrap(reason.StoreDamaged, fmt.Sprintf("open record %s", id), err)
	}
	return leaves, nil
}

// mentions looks for the text in the object's bytes and in its values' normal forms.
func (q *query) mentions(h storage.Hit, raw []byte) bool {
	if bytes.Contains(bytes.ToLower(raw), []byte(q.text)) {
		return true
	}
	return slices.ContainsFunc(h.Values, func(v pattern.Value) bool { return strings.Contains(v.Observable.Value, q.text) })
}
