package admin

import (
	"context"
	"testing"

	"tocsin/node/doctor"
	"tocsin/protocol/reason"
)

func TestDoctor(t *testing.T) {
	b := newBench(t)
	b.deps.Checks = func() []doctor.Check {
		return []doctor.Check{
			{Name: "clock", Run: func(context.Context) doctor.Finding { return doctor.Odd("set it", "it is slow") }},
			{Name: "disk", Run: func(context.Context) doctor.Finding { panic("no disk") }},
		}
	}
	c := serve(t, b.deps)
	all, err := c.Doctor(t.Context())
	ok(t, err)
	if all.State != "fail" || len(all.Checks) != 2 || all.Checks[0].Fix != "set it" || all.Checks[1].State != "fail" {
		t.Errorf("examination %+v", all)
	}
	one, err := c.Doctor(t.Context(), "clock")
	ok(t, err)
	if one.State != "warn" || len(one.Checks) != 1 || one.Checks[0].Name != "clock" {
		t.Errorf("one check: %+v", one)
	}
	_, err = c.Doctor(t.Context(), "clock", "luck")
	refused(t, err, reason.NotFound)
}
