package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/node"
	"tocsin/node/admin/api"
)

const (
	pageAim   = 50 * time.Millisecond
	statusAim = 10 * time.Millisecond
	// asks is how often each page is asked for.
	asks = 20
	// deepest is how many pages are followed to find one in the middle.
	deepest = 200
)

// asked is one list of the API, as somebody might ask for it; what matches nothing looks at the most.
type asked struct{ path, query string }

func (a asked) String() string {
	if a.query == "" {
		return a.path
	}
	return a.path + "?" + a.query
}

// lists are all lists of the API, without and with what selects.
func lists() []asked {
	return []asked{
		{"/objects", ""}, {"/objects", "type=tool"}, {"/objects", "state=withdrawn"},
		{"/search", ""}, {"/search", "q=nobody+says+this"}, {"/search", "type=tool"}, {"/search", "q=finance"},
		{"/quarantine", ""}, {"/quarantine", "q=nobody+says+this"}, {"/quarantine", "code=log.fork"},
		{"/changes", ""}, {"/audit", ""}, {"/audit", "newest=true"}, {"/audit", "text=nobody+says+this"},
		{"/pledges", ""}, {"/pledges", "kind=vouch"}, {"/scorecards", ""}, {"/sync/gaps", ""}, {"/sync/gaps", "all=true"},
		{"/trust", ""}, {"/trust-log", ""}, {"/peers", ""}, {"/topics", ""}, {"/review", ""}, {"/invites", ""}, {"/tokens", ""},
		{"/bundles", ""}, {"/bundles/series", ""}, {"/checkpoints", ""}, {"/checkpoints/witnessed", ""},
		{"/warnings", ""}, {"/mesh", ""}, {"/reasons", ""}, {"/config", ""},
	}
}

// reportAdmin measures the admin port of a node with a large store, and what the port adds to one without any.
func reportAdmin(ctx context.Context, dir string) error {
	paths, cfg, err := seededNode(ctx, dir)
	if err != nil {
		return err
	}
	err = whileRunning(ctx, paths, cfg, node.Options{Version: "bench"}, func(ctx context.Context, _ *node.Node) error {
		if err := calm(ctx, paths); err != nil {
			return err
		}
		return reportPages(ctx, paths)
	})
	return errors.Join(err, reportIdle(ctx, dir))
}

// whileRunning runs a node in this process around f.
func whileRunning(ctx context.Context, paths node.Paths, cfg node.Config, o node.Options, f func(context.Context, *node.Node) error) (err error) {
	n, err := node.New(paths, cfg, o)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancel(ctx)
	ready := make(chan struct{})
	var run errgroup.Group
	run.Go(func() error { defer stop(); return n.Run(ctx, func() { close(ready) }) })
	defer func() { stop(); err = errors.Join(err, run.Wait(), n.Close()) }()
	select {
	case <-ready:
		return f(ctx, n)
	case <-ctx.Done():
		return nil // what Run returned says why
	}
}

// calm waits until a node has done what it does after a start.
func calm(ctx context.Context, paths node.Paths) error {
	c := api.NewClient(paths.Socket())
	defer c.Close()
	began := time.Now()
	for {
		st, err := c.Status(ctx)
		if err != nil {
			return err
		}
		if st.Judging == nil && st.Behind == 0 {
			fmt.Printf("  node with %d objects, %d held, calm after %v\n", st.Objects, st.Held, time.Since(began).Round(time.Second))
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

// adminDoor is one way to the admin port.
type adminDoor struct {
	name, base, token string
	http              *http.Client
}

// openDoors gives the socket, and the TCP port with a token.
func openDoors(ctx context.Context, paths node.Paths) ([]adminDoor, error) {
	c := api.NewClient(paths.Socket())
	defer c.Close()
	st, err := c.Status(ctx)
	if err != nil {
		return nil, err
	}
	made, err := c.CreateToken(ctx, api.TokenCreate{Name: fmt.Sprintf("bench-%d", time.Now().UnixNano()), Role: "operator", Expires: time.Now().Add(time.Hour)})
	if err != nil {
		return nil, err
	}
	if len(st.Admin) == 0 {
		return nil, errors.New("the node listens at its socket only")
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", paths.Socket())
	}
	return []adminDoor{
		{"socket", "http://tocsin", "", &http.Client{Transport: &http.Transport{DialContext: dial}}},
		{"TCP", "http://" + st.Admin[0], made.Secret, &http.Client{Transport: new(http.Transport)}},
	}, nil
}

// page is what is read of a list's answer.
type page struct {
	Items []json.RawMessage `json:"items"`
	Next  string            `json:"next"`
}

// get asks once; the time is until the last byte.
func (d adminDoor) get(ctx context.Context, path string, query url.Values) (body []byte, took time.Duration, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, d.base+path+"?"+query.Encode(), nil)
	if err != nil {
		return nil, 0, err
	}
	if d.token != "" {
		r.Header.Set("Authorization", "Bearer "+d.token)
	}
	began := time.Now()
	resp, err := d.http.Do(r)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	took = time.Since(began)
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("GET %s over the %s: %s: %.300s", path, d.name, resp.Status, body)
	}
	return body, took, err
}

// reportPages asks for every list through both doors.
func reportPages(ctx context.Context, paths node.Paths) error {
	doors, err := openDoors(ctx, paths)
	if err != nil {
		return err
	}
	fmt.Printf("\nadmin port: p50/p95 of %d requests each, until the last byte (aim: p95 %v; status %v)\n", asks, pageAim, statusAim)
	if err := reportRow(ctx, doors, "/status", nil, nil, statusAim); err != nil {
		return err
	}
	for _, whole := range []string{"/sync", "/bundles/heads"} { // they have no pages
		if err := reportRow(ctx, doors, whole, nil, nil, pageAim); err != nil {
			return err
		}
	}
	for _, list := range lists() {
		for _, limit := range []int{100, api.MaxPage} {
			query, err := url.ParseQuery(list.query)
			if err != nil {
				return err
			}
			middle, pages, err := doors[0].middle(ctx, list.path, query)
			if err != nil {
				return err
			}
			query.Set("limit", strconv.Itoa(limit))
			if limit > 100 && pages == 1 && middle == nil {
				break // it ends on its first page whatever the limit
			}
			if err := reportRow(ctx, doors, list.path, query, middle, pageAim); err != nil {
				return err
			}
		}
	}
	return nil
}

// middle follows a list and gives what asks for the page halfway to where that ended; nil if there is one page only.
func (d adminDoor) middle(ctx context.Context, path string, query url.Values) (url.Values, int, error) {
	at := url.Values{}
	maps.Copy(at, query)
	at.Set("limit", strconv.Itoa(api.MaxPage))
	name := "cursor"
	if path == "/changes" || path == "/audit" {
		name = "after"
	}
	var nexts []string
	for len(nexts) < deepest {
		body, _, err := d.get(ctx, api.Prefix+path, at)
		if err != nil {
			return nil, 0, err
		}
		var p page
		if err := json.Unmarshal(body, &p); err != nil {
			return nil, 0, fmt.Errorf("read a page of %s: %w", path, err)
		}
		if p.Next == "" || name == "after" && len(p.Items) == 0 || at.Get("newest") != "" {
			break
		}
		nexts = append(nexts, p.Next)
		at.Set(name, p.Next)
	}
	if len(nexts) == 0 {
		return nil, 1, nil
	}
	return url.Values{name: {nexts[len(nexts)/2]}}, len(nexts) + 1, nil
}

// reportRow asks for one page, and for another one further on if there is one, through both doors.
func reportRow(ctx context.Context, doors []adminDoor, path string, query, middle url.Values, aim time.Duration) error {
	worst, items, text := time.Duration(0), -1, ""
	for _, at := range []url.Values{nil, middle} {
		if at == nil && text != "" {
			continue
		}
		q := url.Values{}
		for _, from := range []url.Values{query, at} {
			maps.Copy(q, from)
		}
		for _, d := range doors {
			took := make([]time.Duration, asks)
			for i := range took {
				body, t, err := d.get(ctx, api.Prefix+path, q)
				if err != nil {
					return err
				}
				took[i] = t
				var p page
				if json.Unmarshal(body, &p) == nil && i == 0 {
					items = max(items, len(p.Items))
				}
			}
			slices.Sort(took)
			p50, p95 := took[len(took)/2], took[len(took)*95/100]
			worst = max(worst, p95)
			text += fmt.Sprintf("  %5.1f/%5.1f", ms(p50), ms(p95))
		}
	}
	verdict := "ok"
	if worst > aim {
		verdict = "MISSES"
	}
	unescaped, _ := url.QueryUnescape(query.Encode())
	fmt.Printf("  %-44s %5d items, ms over socket, TCP:%s  %s\n", cmp.Or(asked{path, unescaped}.String()), max(items, 0), text, verdict)
	return nil
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
