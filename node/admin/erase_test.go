package admin

import (
	"strings"
	"testing"

	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

// TestErase: one object goes by number or id, then all; what was done is in the audit log, without what is to be forgotten.
func TestErase(t *testing.T) {
	b := newBench(t)
	r := b.other.record(t, "fraud", indicator(1, "a.example"), indicator(2, "b.example"), indicator(3, "c.example"))
	again := b.other.record(t, "fraud", indicator(2, "b.example"))
	b.receive(r)
	b.receive(again)
	short := r.ID().String()[:len("sha256:")+16]
	for name, c := range map[string]struct {
		request api.EraseRequest
		code    reason.Code
	}{
		"an object":         {api.EraseRequest{Record: "indicator--" + uuid(1), Reason: "r"}, reason.UsageInvalid},
		"an unknown object": {api.EraseRequest{Record: "indicator--" + uuid(77), Reason: "r"}, reason.NotFound},
		"no such record":    {api.EraseRequest{Record: strings.Repeat("0", 64), Reason: "r"}, reason.NotFound},
		"no such object":    {api.EraseRequest{Record: short, Object: "indicator--" + uuid(9), Reason: "r"}, reason.NotFound},
		"object 3 of 3":     {api.EraseRequest{Record: short, Object: "3", Reason: "r"}, reason.NotFound},
		"object -1":         {api.EraseRequest{Record: short, Object: "-1", Reason: "r"}, reason.NotFound},
		"a reason of none":  {api.EraseRequest{Record: short, Reason: " "}, reason.UsageInvalid},
	} {
		if _, err := b.client.Erase(t.Context(), c.request); reason.Of(err) != c.code && api.ProblemOf(err).Code != string(c.code) {
			t.Errorf("%s: %v, want %s", name, err, c.code)
		}
	}
	one, err := b.client.Erase(t.Context(), api.EraseRequest{Record: short, Object: "indicator--" + uuid(2), Reason: "names a person"})
	ok(t, err)
	if len(one.Objects) != 1 || one.Objects[0].Index != 1 || one.Left != 2 || one.Org != b.other.Org.String() {
		t.Errorf("erased %+v", one)
	}
	if len(one.Elsewhere) != 1 || one.Elsewhere[0] != (api.Ref{Record: again.ID().String(), Index: 0}) {
		t.Errorf("elsewhere %+v", one.Elsewhere)
	}
	shown, err := b.client.Record(t.Context(), r.ID().String())
	ok(t, err)
	if len(shown.Objects) != 3 || shown.Objects[1].ID != "" || shown.Objects[1].Reason != string(reason.ObjectErased) || shown.Objects[0].ID == "" {
		t.Errorf("shown %+v", shown.Objects)
	}
	rest, err := b.client.Erase(t.Context(), api.EraseRequest{Record: short, Reason: "all of it"})
	ok(t, err)
	if len(rest.Objects) != 3 || rest.Left != 0 || b.deps.Store.Counts().Held != 1 {
		t.Errorf("erased %+v, counts %+v", rest, b.deps.Store.Counts())
	}
	entries, _, err := b.deps.Audit.Read(0, 100, audit.Filter{Action: "record.erase"})
	ok(t, err)
	if len(entries) != 2 || entries[0].Reason != "names a person" || entries[0].Detail["objects"] != "1" || entries[1].Detail["objects"] != "all" {
		t.Errorf("audit %+v", entries)
	}
	v, err := b.client.Vacuum(t.Context(), api.VacuumRequest{Aside: true})
	ok(t, err)
	if v.After > v.Before || !v.Wiped {
		t.Errorf("vacuumed %+v", v)
	}
}
