package api

import (
	"errors"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

func TestReadEvents(t *testing.T) {
	stop := errors.New("stop")
	for name, c := range map[string]struct {
		stream, last string
		kinds        []string
		code         reason.Code
	}{
		"events":         {"retry: 1\nid: 4\n\nid: 5\nevent: held\ndata: {}\n\n: heartbeat\n\nevent: gap\ndata: {}\n\n", "5", []string{"held", "gap"}, ""},
		"a place alone":  {": heartbeat\nid: 9.1.a.2\n\n", "9.1.a.2", nil, ""},
		"cut short":      {"id: 5\nevent: held\ndata: {}", "5", nil, ""},
		"a problem":      {"event: problem\ndata: {\"code\":\"login.expired\"}\n\nevent: held\ndata: {}\n\n", "", nil, reason.LoginExpired},
		"no problem":     {"event: problem\ndata: {}\n\n", "", nil, reason.Internal},
		"no JSON":        {"event: held\ndata: {\n\n", "", nil, reason.Internal},
		"too long":       {"data: " + strings.Repeat("x", maxEvent) + "\n\n", "", nil, ""},
		"empty":          {"", "", nil, ""},
		"nothing known":  {"x: y\nz\n\n", "", nil, ""},
		"the reader had": {"event: stop\ndata: {}\n\n", "", []string{"stop"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			last, kinds := "", []string(nil)
			err := readEvents(strings.NewReader(c.stream), &last, func(h Happening) error {
				kinds = append(kinds, h.Kind)
				if h.Kind == "stop" {
					return stop
				}
				return nil
			})
			if last != c.last || strings.Join(kinds, " ") != strings.Join(c.kinds, " ") || codeOf(err) != c.code {
				t.Errorf("last %q, kinds %q, %v", last, kinds, err)
			}
			if _, broken := errors.AsType[*brokenStream](err); broken != (name == "too long") || errors.Is(err, stop) != (name == "the reader had") {
				t.Errorf("%v", err)
			}
		})
	}
}

// codeOf is the code of a problem.
func codeOf(err error) reason.Code {
	if p, ok := errors.AsType[*Problem](err); ok {
		return reason.Code(p.Code)
	}
	return reason.Of(err)
}

func FuzzReadEvents(f *testing.F) {
	f.Add("id: 4\nevent: held\ndata: {}\n\n: heartbeat\n\n")
	f.Add("event: problem\ndata: {\"code\":\"x\"}\n\n")
	f.Fuzz(func(t *testing.T, stream string) {
		last := ""
		_ = readEvents(strings.NewReader(stream), &last, func(h Happening) error {
			if h.Kind == EventProblem || h.Data == nil || strings.Contains(h.ID, "\n") {
				t.Errorf("event %+v", h)
			}
			return nil
		})
	})
}
