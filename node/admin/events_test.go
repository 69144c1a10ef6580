package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/feed"
	"tocsin/protocol/reason"
)

// errSeen ends a stream that has shown enough.
var errSeen = errors.New("seen enough")

// follow gives the first n events.
func (b *bench) follow(p api.EventParams, n int) (out []api.Happening, last string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), 10*time.Second)
	defer cancel()
	last, err := b.client.Follow(ctx, p, func(h api.Happening) error {
		if out = append(out, h); len(out) == n {
			return errSeen
		}
		return nil
	})
	if !errors.Is(err, errSeen) {
		b.t.Fatalf("%d of %d events, then %v", len(out), n, err)
	}
	return out, last
}

// Events of several kinds come under their kinds, and the last id goes on. ADM-40
func TestEventKinds(t *testing.T) {
	b := newBench(t)
	b.publish(indicator(1, "a.example"))
	_, err := b.deps.Audit.Append(t.Context(), audit.Event{Action: "test.done", Target: "it"})
	ok(t, err)
	p := api.EventParams{Replay: time.Hour, Kinds: []string{"object", "audit"}}
	var kinds []string
	all, _ := b.follow(p, 3) // publishing is written down as well
	for _, h := range all {
		kinds = append(kinds, h.Kind)
	}
	if slices.Sort(kinds); !slices.Equal(kinds, []string{"audit", "audit", "object"}) {
		t.Fatalf("kinds %q", kinds)
	}
	for i, h := range all[:2] {
		p.After = h.ID
		if rest, _ := b.follow(p, len(all)-i-1); rest[0].ID != all[i+1].ID {
			t.Errorf("behind %s comes %s, want %s", h.ID, rest[0].ID, all[i+1].ID)
		}
	}
	one, last := b.follow(api.EventParams{After: "0"}, 1)
	var e api.Event
	ok(t, json.Unmarshal(one[0].Data, &e))
	if one[0].Kind != "accepted" || last != one[0].ID || e.Seq != 1 || e.Petname != "Own CERT" {
		t.Errorf("without kinds: %+v, last %s", one[0], last)
	}
}

// A filter lets pass what is as it says, and only that.
func TestEventFilters(t *testing.T) {
	b := newBench(t)
	labelled := strings.Replace(indicator(1, "a.example"), `"name"`, `"labels":["botnet"],"name"`, 1)
	b.publish(labelled) // 1: ours, label
	b.receive(b.other.record(t, "fraud", indicator(2, "b.example")))
	for name, c := range map[string]struct {
		filter api.EventFilter
		want   bool
	}{
		"nothing":        {api.EventFilter{}, true},
		"type":           {api.EventFilter{Type: "indicator"}, true},
		"other type":     {api.EventFilter{Type: "malware"}, false},
		"topic":          {api.EventFilter{Topic: "fraud"}, true},
		"other topic":    {api.EventFilter{Topic: "phishing"}, false},
		"org":            {api.EventFilter{Org: "Own CERT"}, true},
		"other org":      {api.EventFilter{Org: b.other.Org.String()}, false},
		"tlp":            {api.EventFilter{TLP: "green"}, true},
		"other tlp":      {api.EventFilter{TLP: "clear"}, false},
		"label":          {api.EventFilter{Label: "botnet"}, true},
		"other label":    {api.EventFilter{Label: "bot"}, false},
		"other country":  {api.EventFilter{Country: "xx"}, false},
		"score":          {api.EventFilter{MinScore: 1}, true},
		"too high score": {api.EventFilter{MinScore: 100}, false},
		"all together":   {api.EventFilter{MinScore: 1, Type: "indicator", Topic: "fraud", TLP: "green", Label: "botnet"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEventResource(names{b.deps.Policy, b.deps.Identity, b.deps.Self}, &b.deps)
			f, err := e.filter(&ObjectFilterIn{
				MinScore: c.filter.MinScore, Type: c.filter.Type, Topic: c.filter.Topic, Org: c.filter.Org,
				TLP: c.filter.TLP, Country: c.filter.Country, Label: c.filter.Label,
			})
			ok(t, err)
			changes, err := b.deps.Store.Changes(0, 10)
			ok(t, err)
			shown, got := f.object(&changes[0])
			if got != c.want {
				t.Fatalf("passes %v, want %v", got, c.want)
			}
			if c.filter.MinScore == 1 && (shown.Score == nil || *shown.Score < 1 || !slices.Equal(shown.Types, []string{"indicator"})) {
				t.Errorf("shown as %+v", shown)
			}
		})
	}
	p := api.EventParams{After: "0", EventFilter: api.EventFilter{Org: b.other.Org.String()}}
	if got, _ := b.follow(p, 1); !strings.HasPrefix(got[0].ID, "2.") {
		t.Errorf("the other organisation's: %+v", got)
	}
}

// What cannot be followed is refused before the stream begins.
func TestEventsRefuse(t *testing.T) {
	b := newBench(t)
	for name, c := range map[string]struct {
		p    api.EventParams
		code reason.Code
	}{
		"no cursor":     {api.EventParams{After: "1.2.3"}, reason.UsageInvalid},
		"long cursor":   {api.EventParams{After: strings.Repeat("1", 97)}, reason.UsageInvalid},
		"no kind":       {api.EventParams{Kinds: []string{"gap"}}, reason.UsageInvalid},
		"long replay":   {api.EventParams{Replay: 24*time.Hour + time.Second}, reason.UsageInvalid},
		"past replay":   {api.EventParams{Replay: -time.Second}, reason.UsageInvalid},
		"no score":      {api.EventParams{EventFilter: api.EventFilter{MinScore: 101}}, reason.UsageInvalid},
		"no tlp":        {api.EventParams{EventFilter: api.EventFilter{TLP: "pink"}}, reason.UsageInvalid},
		"no such org":   {api.EventParams{EventFilter: api.EventFilter{Org: "Nobody CERT"}}, reason.NotFound},
		"long country":  {api.EventParams{EventFilter: api.EventFilter{Country: "abc"}}, reason.UsageInvalid},
		"repeated kind": {api.EventParams{Kinds: slices.Repeat([]string{"peer"}, 8)}, reason.UsageInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := b.client.Follow(t.Context(), c.p, func(api.Happening) error { return errSeen })
			refused(t, err, c.code)
		})
	}
}

// streamWriter is a connection that takes everything.
type streamWriter struct {
	mu   sync.Mutex // guards sent
	sent bytes.Buffer
}

func (w *streamWriter) Header() http.Header              { return http.Header{} }
func (w *streamWriter) WriteHeader(int)                  {}
func (w *streamWriter) SetWriteDeadline(time.Time) error { return nil }
func (w *streamWriter) FlushError() error                { return nil }

func (w *streamWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent.Write(b)
}

func (w *streamWriter) text() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.sent.String()
}

// A quiet stream has a sign of life every 15 seconds, and ends with a problem soon after the token it was opened with. ADM-42
func TestStreamLivesAndEnds(t *testing.T) {
	b := newBench(t)
	synctest.Test(t, func(t *testing.T) {
		written, err := audit.Open(filepath.Join(t.TempDir(), "audit.log")) // one of this bubble
		ok(t, err)
		defer func() { ok(t, written.Close()) }()
		book, err := access.Open(filepath.Join(t.TempDir(), "access.json"), written)
		ok(t, err)
		owner := access.With(t.Context(), access.Principal{Role: access.Owner})
		_, secret, err := book.Create(owner, "watcher", access.Viewer, time.Now().Add(time.Hour), "")
		ok(t, err)
		who, err := book.Bearer(secret, "here")
		ok(t, err)
		d := b.deps
		d.Access, d.Feed = book, feed.New(feed.Sources{Store: d.Store, Audit: written})
		e := newEventResource(names{d.Policy, d.Identity, d.Self}, &d)
		r, err := e.hub.Follow("", feed.KindPeer)
		ok(t, err)
		ctx, cancel := context.WithCancel(access.With(t.Context(), who))
		defer cancel()
		w := new(streamWriter)
		done := make(chan struct{})
		go func() {
			(&eventStream{eventResource: e, reader: r, filter: eventFilter{all: true}, who: who}).run(ctx, w)
			close(done)
		}()
		time.Sleep(2*heartbeat + time.Second)
		if got := strings.Count(w.text(), ": heartbeat\n"); got != 2 || !strings.HasPrefix(w.text(), "retry: 2000\nid: ") {
			t.Errorf("%d heartbeats in %q", got, w.text())
		}
		_, err = book.Revoke(owner, "watcher", "lost")
		ok(t, err)
		before := time.Now()
		<-done
		if took := time.Since(before); took > askAgain || !strings.Contains(w.text(), "event: problem\ndata: {") || !strings.Contains(w.text(), `"code":"login.expired"`) {
			t.Errorf("after %v: %q", took, w.text())
		}
	})
}

// The audit log and the doctor are for operators, and nothing else of the stream is.
func TestEventRoles(t *testing.T) {
	b := newBench(t)
	book, err := access.Open(filepath.Join(t.TempDir(), "access.json"), b.deps.Audit)
	ok(t, err)
	b.deps.Access = book
	e := newEventResource(names{b.deps.Policy, b.deps.Identity, b.deps.Self}, &b.deps)
	for _, role := range []access.Role{access.Viewer, access.Analyst, access.Operator, access.Owner} {
		for _, kind := range feed.Kinds() {
			_, err := e.follow(access.With(t.Context(), access.Principal{Role: role}), &eventsIn{Kinds: []string{kind}})
			if (kind == feed.KindAudit || kind == feed.KindDoctor) && role < access.Operator {
				refused(t, err, reason.RoleDenied)
			} else {
				ok(t, err)
				e.places = newShares(maxFollowers, maxFollowersEach) // nobody streams what was opened
			}
		}
	}
}

// A stream ends with a problem within 5 seconds of the end of what it was opened with, whatever ended it, and not before. ADM-42
func TestStreamEnds(t *testing.T) {
	b := newBench(t)
	owner := access.With(t.Context(), access.Principal{Role: access.Owner})
	const life = time.Hour
	type world struct {
		book            *access.Book
		token, session  access.Principal
		secret, browser string // of the token, of the session
	}
	for name, c := range map[string]struct {
		session bool
		end     func(*testing.T, world) // nil: time does it
		after   time.Duration
	}{
		"logout":                         {true, func(t *testing.T, w world) { w.book.Logout(t.Context(), w.browser) }, time.Minute},
		"revoked":                        {false, func(t *testing.T, w world) { _, err := w.book.Revoke(owner, w.token.ID, "lost"); ok(t, err) }, time.Minute},
		"revoked, with a session of it":  {true, func(t *testing.T, w world) { _, err := w.book.Revoke(owner, "watcher", "lost"); ok(t, err) }, time.Minute},
		"expired":                        {false, nil, life},
		"expired, with a session of it":  {true, nil, life},
		"logout of the session, a token": {false, func(t *testing.T, w world) { w.book.Logout(t.Context(), w.browser) }, life},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				written, err := audit.Open(filepath.Join(t.TempDir(), "audit.log")) // one of this bubble
				ok(t, err)
				defer func() { ok(t, written.Close()) }()
				w := world{}
				w.book, err = access.Open(filepath.Join(t.TempDir(), "access.json"), written)
				ok(t, err)
				began := time.Now()
				_, w.secret, err = w.book.Create(owner, "watcher", access.Operator, began.Add(life), "")
				ok(t, err)
				w.token, err = w.book.Bearer(w.secret, "here")
				ok(t, err)
				code, _, err := w.book.Code(access.With(t.Context(), w.token), access.Viewer)
				ok(t, err)
				w.browser, w.session, _, err = w.book.Login(t.Context(), code, victim, "here")
				ok(t, err)
				who := w.token
				if c.session {
					who = w.session
				}
				d := b.deps
				d.Access, d.Feed = w.book, feed.New(feed.Sources{Store: d.Store, Audit: written})
				e := newEventResource(names{d.Policy, d.Identity, d.Self}, &d)
				r, err := e.hub.Follow("", feed.KindAudit)
				ok(t, err)
				out, done := new(streamWriter), make(chan time.Time, 1)
				ctx, cancel := context.WithTimeout(access.With(t.Context(), who), c.after+time.Minute)
				defer cancel()
				go func() {
					(&eventStream{eventResource: e, reader: r, filter: eventFilter{all: true}, who: who}).run(ctx, out)
					done <- time.Now()
				}()
				time.Sleep(c.after - time.Second)
				if strings.Contains(out.text(), "event: problem") {
					t.Errorf("it ended before: %q", out.text())
				}
				if time.Sleep(time.Second + 100*time.Millisecond); c.end != nil {
					c.end(t, w)
				}
				time.Sleep(askAgain - 200*time.Millisecond)
				_, err = written.Append(t.Context(), audit.Event{Action: "meanwhile"}) // what happens puts off no question
				ok(t, err)
				time.Sleep(200 * time.Millisecond)
				_, err = written.Append(t.Context(), audit.Event{Action: "later", Target: "secret"})
				ok(t, err)
				if late := (<-done).Sub(began.Add(c.after)); late > askAgain || late < 0 {
					t.Errorf("it ended %v after", late)
				}
				last := out.text()[strings.LastIndex(strings.TrimSpace(out.text()), "\n\n")+2:]
				if !strings.HasPrefix(last, "event: problem\ndata: {") || !strings.Contains(last, `"code":"login.expired"`) || strings.Contains(out.text(), "later") {
					t.Errorf("it ended with %q", last)
				}
			})
		})
	}
}
