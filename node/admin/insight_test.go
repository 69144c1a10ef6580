package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"tocsin/node/admin/api"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// asked is what a resource answers the owner with.
func asked[T any](t *testing.T, b *bench, path string) T {
	t.Helper()
	w := httptest.NewRecorder()
	asOwner(NewHandler(b.deps)).ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Prefix+path, nil))
	var out T
	if w.Code != http.StatusOK {
		t.Fatalf("%s: %d %s", path, w.Code, w.Body)
	}
	ok(t, json.Unmarshal(w.Body.Bytes(), &out))
	return out
}

// version is an indicator that was changed on a day of 2026.
func version(n, day int, value string) string {
	return strings.Replace(indicator(n, value), `"modified":"2026-01-01`, fmt.Sprintf(`"modified":"2026-01-%02d`, day), 1)
}

// One id with two versions of ours and a voice of somebody else: who says what, which is the newest, and what became of each.
func TestInsight(t *testing.T) {
	b := newBench(t)
	first := b.publish(version(1, 1, "old.example")).Records[0]
	second := b.publish(version(1, 2, "new.example")).Records[0]
	foreign := b.other.record(t, "fraud", version(1, 3, "other.example"))
	b.receive(foreign) // a stranger's: held
	id, own, other := "/objects/indicator--"+uuid(1), b.deps.Self.Org.String(), b.other.Org.String()

	list := asked[api.List[api.Object]](t, b, id+"/versions")
	var got []string
	for _, v := range list.Items {
		got = append(got, v.Record+" "+v.State+" "+v.From)
	}
	if want := []string{foreign.ID().String() + " held 12D3KooWPeer", second + " accepted local", first + " accepted local"}; !slices.Equal(got, want) {
		t.Errorf("versions %q, want %q", got, want)
	}
	page, cursor := []string{}, ""
	for range 4 {
		one := asked[api.List[api.Object]](t, b, id+"/versions?limit=1&cursor="+url.QueryEscape(cursor))
		for _, v := range one.Items {
			page = append(page, v.Record+" "+v.State+" "+v.From)
		}
		if cursor = one.Next; cursor == "" {
			break
		}
	}
	if !slices.Equal(page, got) {
		t.Errorf("page by page %q, want %q", page, got)
	}

	p := asked[api.Provenance](t, b, id+"/provenance")
	if p.Record != second || p.Org != own || p.Level != "own" || p.Petname != "Own CERT" || p.Sequence != 2 || p.Topic != "fraud" || p.From != "local" || p.Key != b.deps.Self.Node {
		t.Errorf("ours: %+v", p)
	}
	voices := map[string]int{}
	for _, v := range p.Voices {
		voices[v.Org] = v.Versions
	}
	if len(p.Voices) != 2 || voices[own] != 2 || voices[other] != 1 {
		t.Errorf("voices %+v", p.Voices)
	}
	at := func(record string, index int) string {
		return "/objects/" + url.PathEscape(fmt.Sprintf("%s#%d", record, index))
	}
	p = asked[api.Provenance](t, b, at(foreign.ID().String(), 0)+"/provenance")
	if p.Org != other || p.Level != "unknown" || p.From != "12D3KooWPeer" || p.Sequence != 1 || p.TLP != "TLP:GREEN" || p.Received.IsZero() || !p.Created.Equal(foreign.Header().Created) {
		t.Errorf("theirs: %+v", p)
	}

	steps := func(f api.Fate) (kinds []string) {
		for _, s := range f.Steps {
			kinds = append(kinds, s.Kind)
		}
		return kinds
	}
	f := asked[api.Fate](t, b, at(first, 0)+"/fate")
	if f.State != "accepted" || f.Code != "" || !slices.Equal(steps(f), []string{"signed", "received", "superseded"}) || f.Steps[2].Record != second || f.Steps[2].Org != own {
		t.Errorf("fate of the old one: %+v", f)
	}
	f = asked[api.Fate](t, b, id+"/fate")
	if f.Record != second || !slices.Equal(steps(f), []string{"signed", "received"}) { // what another organisation says supersedes nothing
		t.Errorf("fate of the new one: %+v", f)
	}
	f = asked[api.Fate](t, b, at(foreign.ID().String(), 0)+"/fate")
	if f.State != "held" || !f.Whole || f.Code != string(reason.TrustUnknown) || f.Fix == "" || f.Blame == "" {
		t.Errorf("fate of the stranger's: %+v", f)
	}

	e := asked[api.Explanation](t, b, id+"/score")
	raw, err := json.Marshal(e)
	ok(t, err)
	if !strings.Contains(string(raw), "new.example") || strings.Contains(string(raw), "old.example") {
		t.Errorf("the score is of %s", raw)
	}
}

// An object that was refused in a record that was not, one that was erased, and ids that are none.
func TestInsightOfWhatIsNotThere(t *testing.T) {
	b := newBench(t)
	broken := strings.Replace(indicator(2, "b.example"), `"pattern":"[domain-name:value = 'b.example']",`, "", 1)
	mixed := b.other.record(t, "fraud", indicator(1, "a.example"), broken)
	b.receive(mixed)
	gone := b.publish(indicator(3, "c.example")).Records[0]
	_, err := b.client.Erase(t.Context(), api.EraseRequest{Record: gone, Reason: "a test"})
	ok(t, err)
	h := asOwner(NewHandler(b.deps))
	get := func(id, what string) (int, string) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, api.Prefix+"/objects/"+url.PathEscape(id)+what, nil))
		return w.Code, w.Body.String()
	}
	for _, what := range []string{"/versions", "/provenance", "/score", "/fate"} {
		for _, id := range []string{mixed.ID().String() + "#1", gone + "#0"} {
			if code, text := get(id, what); code >= 500 {
				t.Errorf("%s%s: %d %s", id, what, code, text)
			}
		}
		for id, want := range map[string]int{"indicator--" + uuid(9): 404, "nothing": 404, gone + "#1": 404, gone + "#x": 400, strings.Repeat("0", 64): 404} {
			if code, text := get(id, what); code != want {
				t.Errorf("%s%s: %d %s", id, what, code, text)
			}
		}
	}
	for id, why := range map[string]reason.Code{mixed.ID().String() + "#1": "", gone + "#0": reason.ObjectErased} {
		code, text := get(id, "/fate")
		var f api.Fate
		if err := json.Unmarshal([]byte(text), &f); err != nil || code != 200 || f.Record != id[:len(id)-2] || f.Code == "" || why != "" && f.Code != string(why) {
			t.Errorf("fate of %s: %d %s", id, code, text)
		}
	}
}

// Whom the node meets, which program it is, what it decides by, and how it is set.
func TestOverview(t *testing.T) {
	b := newBench(t)
	since := time.Now().Add(-time.Minute).UTC()
	b.mesh.peers = []PeerInfo{
		{ID: peerA, Org: b.other.Org, OrgKnown: true, Connected: true, Topics: 3, Mesh: 2, Latency: 1500 * time.Microsecond, Since: since},
		{ID: peerB, Kept: true, LastError: "refused"}, {ID: "12D3KooWC", Connected: true, Topics: 1}, {ID: "12D3KooWD", Connected: true},
	}
	links := asked[api.Links](t, b, "/mesh")
	kinds := map[string]string{}
	for _, l := range links.Items {
		kinds[l.Peer] = l.Kind
		if l.Peer == peerA && (l.Org != b.other.Org.String() || l.LatencyMS != 1.5 || !l.Since.Equal(since) || l.Topics != 3 || l.Mesh != 2) {
			t.Errorf("link %+v", l)
		}
	}
	if links.Node != b.deps.Self.PeerID || len(kinds) != 4 || kinds[peerA] != "mesh" || kinds[peerB] != "kept" || kinds["12D3KooWC"] != "topic" || kinds["12D3KooWD"] != "connected" {
		t.Errorf("links %+v", links)
	}
	one := asked[api.Links](t, b, "/mesh?limit=3")
	two := asked[api.Links](t, b, "/mesh?limit=3&cursor="+url.QueryEscape(one.Next))
	if len(one.Items) != 3 || len(two.Items) != 1 || two.Next != "" {
		t.Errorf("pages %+v, %+v", one, two)
	}

	if p := asked[api.Build](t, b, "/build"); p.Version != "test" || p.Go != runtime.Version() || p.OS != runtime.GOOS || p.Arch != runtime.GOARCH {
		t.Errorf("build %+v", p)
	}

	before := asked[api.Policy](t, b, "/policy")
	day := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	_, err := b.client.AddTrust(t.Context(), api.TrustEntry{Org: b.other.Org.String(), Petname: "other", Level: "partner", Expires: day})
	ok(t, err)
	_, err = b.client.AddTrust(t.Context(), api.TrustEntry{Org: protocol.OrgID{1}.String(), Petname: "far", Level: "observed", Expires: day})
	ok(t, err)
	p := asked[api.Policy](t, b, "/policy")
	if p.Version <= before.Version || p.Digest == before.Digest || len(before.Entries) != 0 || len(p.Entries) != 2 || p.Entries["partner"] != 1 || p.Entries["observed"] != 1 || p.TwoApprovers {
		t.Errorf("policy %+v, before %+v", p, before)
	}

	w := httptest.NewRecorder()
	asOwner(NewHandler(b.deps)).ServeHTTP(w, httptest.NewRequest(http.MethodGet, api.Prefix+"/config", nil))
	if w.Code != http.StatusNotFound {
		t.Errorf("a configuration that nobody knows: %d", w.Code)
	}
	b.deps.Configured = func() []api.Setting {
		return []api.Setting{{Name: "network", Value: json.RawMessage(`"test"`), Origin: "tocsin.toml"}, {Name: "admin", Value: json.RawMessage(`["off"]`)}}
	}
	if s := asked[api.List[api.Setting]](t, b, "/config"); len(s.Items) != 2 {
		t.Errorf("config %+v", s)
	}
}
