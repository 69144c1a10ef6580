package storage

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

// TestLookupNewest: of each voice only what it says now is returned, in
// whatever order the records came.
func TestLookupNewest(t *testing.T) {
	x, y := domain(1), domain(2)
	at := func(day int) time.Time { return testNow.AddDate(0, 0, -day) }
	type version struct {
		day     int // modified, days ago
		values  []pattern.Observable
		state   State
		revoked bool
		held    bool // the whole record
		days    int  // created, days ago
	}
	for _, c := range []struct {
		name     string
		versions []version
		x, y     []int // indexes of the versions that a look-up of x and of y gives, newest first
	}{
		{"one", []version{{3, observables(x), Accepted, false, false, 3}}, []int{0}, nil},
		{"newer replaces", []version{{3, observables(x), Accepted, false, false, 3}, {2, observables(x, y), Accepted, false, false, 2}}, []int{1}, []int{1}},
		{"newer no longer names it", []version{{3, observables(x), Accepted, false, false, 3}, {2, observables(y), Accepted, false, false, 2}}, nil, []int{1}},
		{"newer created but older version", []version{{3, observables(x), Accepted, false, false, 3}, {4, observables(x, y), Accepted, false, false, 2}}, []int{0}, nil},
		{"revoked is returned", []version{{3, observables(x), Accepted, false, false, 3}, {2, observables(x), Accepted, true, false, 2}}, []int{1}, nil},
		{"not evaluated counts", []version{{3, observables(x), Accepted, false, false, 3}, {2, observables(y), NotEvaluated, false, false, 2}}, nil, []int{1}},
		{"held does not hide", []version{{3, observables(x), Accepted, false, false, 3}, {2, observables(x), Held, true, false, 2}}, []int{1, 0}, nil},
		{"held record does not hide", []version{{3, observables(x), Accepted, false, false, 3}, {2, observables(y), Accepted, true, true, 2}}, []int{0}, []int{1}},
		{"refused does not hide", []version{{3, observables(x), Accepted, false, false, 3}, {2, observables(x), Refused, false, false, 2}}, []int{1, 0}, nil},
		{"older held is overtaken", []version{{3, observables(x), Held, false, false, 3}, {2, observables(x), Accepted, false, false, 2}}, []int{1}, nil},
		{"newest held only", []version{{3, observables(x), Held, false, false, 3}, {2, observables(x), Held, false, false, 2}}, []int{1}, nil},
		{"republished: newest record", []version{{9, observables(x), Accepted, false, false, 5}, {9, observables(x), Accepted, false, false, 2}, {9, observables(x), Accepted, false, false, 4}}, []int{1}, nil},
	} {
		for _, order := range permutations(len(c.versions)) {
			t.Run(fmt.Sprint(c.name, order), func(t *testing.T) {
				s := openMemory(t)
				a := newAuthor(t, "A")
				refs := make([]Ref, len(c.versions))
				for _, i := range order {
					v := c.versions[i]
					l := indicator(stixID(1), at(v.day), v.values...)
					l.State, l.Revoked = v.state, v.revoked
					d := draft{leaves: append(indicators(100+i, 1), l), sequence: uint64(i + 1), created: at(v.days)}
					if v.held {
						d.state, d.reason = Held, reason.LogFork
					}
					refs[i] = Ref{accept(t, s, a.entry(d)), 1}
				}
				for o, want := range map[pattern.Observable][]int{x: c.x, y: c.y} {
					var got []int
					for _, h := range lookup(t, s, o) {
						got = append(got, slices.Index(refs, h.Ref))
					}
					if !slices.Equal(got, want) {
						t.Errorf("look up %s gives versions %v, want %v", o.Value, got, want)
					}
				}
				all, err := s.Versions(stixID(1))
				if err != nil || len(all) != len(c.versions) {
					t.Errorf("%d versions, want %d (%v)", len(all), len(c.versions), err)
				}
			})
		}
	}
}

func observables(o ...pattern.Observable) []pattern.Observable { return o }

func permutations(n int) [][]int {
	if n == 0 {
		return [][]int{nil}
	}
	var out [][]int
	for _, p := range permutations(n - 1) {
		for at := range n {
			out = append(out, slices.Insert(slices.Clone(p), at, n-1))
		}
	}
	return out
}

// TestLookupOrgs: the same id of another organisation is another voice.
func TestLookupOrgs(t *testing.T) {
	s := openMemory(t)
	a, b := newAuthor(t, "A"), newAuthor(t, "B")
	l := indicator(stixID(1), testNow, domain(1))
	newer := indicator(stixID(1), testNow.Add(time.Hour), domain(1))
	newer.Revoked = true
	idA := accept(t, s, a.entry(draft{leaves: []Leaf{l}}))
	idB := accept(t, s, b.entry(draft{leaves: []Leaf{newer}}))
	hits := lookup(t, s, domain(1))
	if len(hits) != 2 || hits[0].Record != idB || hits[1].Record != idA {
		t.Errorf("hits %+v", hits)
	}
	versions, err := s.Versions(stixID(1))
	if err != nil || len(versions) != 2 || versions[0].Org != b.Org {
		t.Errorf("versions %+v, %v", versions, err)
	}
}

// TestFirst: age runs from the first record of that organisation that carried the version.
func TestFirst(t *testing.T) {
	s := openMemory(t)
	a, b := newAuthor(t, "A"), newAuthor(t, "B")
	l := []Leaf{indicator(stixID(1), testNow.AddDate(0, 0, -9), domain(1))}
	day := func(n int) time.Time { return testNow.AddDate(0, 0, n) }
	accept(t, s, a.entry(draft{leaves: l, sequence: 2, created: day(-3), expires: day(40)}))
	accept(t, s, a.entry(draft{leaves: l, sequence: 1, created: day(-5), expires: day(1)}))
	accept(t, s, a.entry(draft{leaves: l, sequence: 3, created: day(-1), expires: day(20)}))
	accept(t, s, b.entry(draft{leaves: l, created: day(-8), expires: day(1)}))
	check := func(when string, wantCreated, wantFirst time.Time, n int) {
		t.Helper()
		hits := slices.DeleteFunc(lookup(t, s, domain(1)), func(h Hit) bool { return h.Org != a.Org })
		if len(hits) != 1 || !hits[0].Created.Equal(wantCreated) || !hits[0].First.Equal(wantFirst) {
			t.Fatalf("%s: %+v, want created %s and first %s", when, hits, wantCreated, wantFirst)
		}
		all, err := s.Versions(stixID(1))
		must(t, err)
		if len(all) != n {
			t.Errorf("%s: %d versions, want %d", when, len(all), n)
		}
		for _, h := range all {
			if h.Org == a.Org && !h.First.Equal(wantFirst) {
				t.Errorf("%s: first of record %s is %s, want %s", when, h.Record, h.First, wantFirst)
			}
			leaves, err := s.Leaves(h.Record)
			if err != nil || !leaves[0].First.Equal(h.First) {
				t.Errorf("%s: Leaves and Versions do not agree on first: %v", when, err)
			}
		}
	}
	check("all", day(-1), day(-5), 4)
	for _, c := range []struct {
		now, gone, left int
		created         time.Time
	}{{2, 2, 2, day(-1)}, {30, 1, 1, day(-3)}} {
		n, err := s.Expire(t.Context(), day(c.now))
		must(t, err)
		if n != c.gone {
			t.Fatalf("day %d: %d expired, want %d", c.now, n, c.gone)
		}
		check(fmt.Sprint("day ", c.now), c.created, day(-5), c.left)
	}
}

// TestNetworks: an address finds the objects that name a network around it.
func TestNetworks(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	o := func(typ pattern.Type, v string) pattern.Observable { return pattern.Observable{Type: typ, Value: v} }
	values := []pattern.Observable{
		o(pattern.IPv4, "192.0.2.1"), o(pattern.CIDR, "192.0.2.0/24"), o(pattern.CIDR, "192.0.0.0/16"), o(pattern.CIDR, "198.51.100.0/24"),
		o(pattern.IPv6, "2001:db8::1"), o(pattern.CIDR, "2001:db8::/32"), o(pattern.CIDR, "0.0.0.0/0"), o(pattern.CIDR, "not a network"),
	}
	var leaves []Leaf
	for i, v := range values {
		leaves = append(leaves, indicator(stixID(i), testNow, v))
	}
	both := indicator(stixID(50), testNow, values[0], values[1])
	both.Values[0].Alone = false
	accept(t, s, a.entry(draft{leaves: append(leaves, both), expires: testNow.AddDate(0, 0, 1)}))
	for _, c := range []struct {
		o    pattern.Observable
		want []int
	}{
		{o(pattern.IPv4, "192.0.2.1"), []int{0, 1, 2, 6, 8}},
		{o(pattern.IPv4, "192.0.2.2"), []int{1, 2, 6, 8}},
		{o(pattern.IPv4, "192.0.3.2"), []int{2, 6}},
		{o(pattern.IPv4, "203.0.113.9"), []int{6}},
		{o(pattern.IPv6, "2001:db8::1"), []int{4, 5}},
		{o(pattern.IPv6, "2001:db8:1::"), []int{5}},
		{o(pattern.IPv6, "2001:db9::"), nil},
		{o(pattern.CIDR, "192.0.2.0/24"), []int{1, 8}},
		{o(pattern.CIDR, "192.0.2.0/25"), nil},
		{o(pattern.IPv4, "not an address"), nil},
		{o(pattern.Text, "192.0.2.1"), nil},
	} {
		var got []int
		for _, h := range lookup(t, s, c.o) {
			got = append(got, h.Index)
			if h.Alone != (h.Index != 8 || c.o.Value != "192.0.2.1") && h.Index != 8 {
				t.Errorf("%s: alone is %v", c.o.Value, h.Alone)
			}
		}
		slices.Sort(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("look up %s gives %v, want %v", c.o.Value, got, c.want)
		}
	}
	if _, err := s.Expire(t.Context(), testNow.AddDate(0, 0, 2)); err != nil {
		t.Fatal(err)
	}
	s.tables.compact()
	if n := s.tables.networks.Size(); n != 0 {
		t.Errorf("%d networks left after all has expired", n)
	}
}

func TestComplete(t *testing.T) {
	s := openMemory(t)
	a := newAuthor(t, "A")
	leaves := []Leaf{
		indicator("indicator--aaaaaaaa-0000-4000-8000-000000000001", testNow, domain(1)),
		indicator("indicator--aaaaaaaa-0000-4000-8000-000000000002", testNow, domain(2)),
		indicator("malware--aaaaaaaa-0000-4000-8000-000000000001", testNow, domain(3)),
	}
	leaves[2].Type = "malware"
	id := accept(t, s, a.entry(draft{leaves: leaves}))
	accept(t, s, a.entry(draft{leaves: leaves})) // the same once more
	held := accept(t, s, newAuthor(t, "B").entry(draft{state: Held, leaves: []Leaf{indicator("tool--bbbbbbbb-0000-4000-8000-000000000001", testNow)}}))
	full := id.String()
	for _, c := range []struct {
		prefix string
		limit  int
		want   []string
		code   reason.Code
	}{
		{"indicator--aaaaaaaa", 9, []string{leaves[0].Object, leaves[1].Object}, ""},
		{"indicator--aaaaaaaa-0000-4000-8000-000000000002", 9, []string{leaves[1].Object}, ""},
		{"aaaaaaaa", 9, []string{leaves[0].Object, leaves[1].Object, leaves[2].Object}, ""},
		{"aaaaaaaa", 2, []string{leaves[0].Object, leaves[1].Object}, ""},
		{"aaaaaaaa", 0, nil, ""},
		{"malware--aaaaaaaa", 9, []string{leaves[2].Object}, ""},
		{"bbbbbbbb", 9, []string{"tool--bbbbbbbb-0000-4000-8000-000000000001"}, ""},
		{full[:15], 9, []string{full}, ""},
		{full, 9, []string{full}, ""},
		{full[7:15], 9, []string{full}, ""},
		{held.String()[7:17], 9, []string{held.String()}, ""},
		{"sha256:aaaaaaaa", 9, nil, ""},
		{"indicator--aaaaaaa", 9, nil, reason.UsageInvalid},
		{full[:14], 9, nil, reason.UsageInvalid},
		{"aaaaaaa", 9, nil, reason.UsageInvalid},
		{"", 9, nil, reason.UsageInvalid},
	} {
		got, err := s.Complete(c.prefix, c.limit)
		wantCode(t, err, c.code)
		if !slices.Equal(got, c.want) {
			t.Errorf("complete %q gives %q, want %q", c.prefix, got, c.want)
		}
	}
}

// TestEmptyObject: refused pieces without an id are many and no versions of each other.
func TestEmptyObject(t *testing.T) {
	s := openMemory(t)
	leaves := indicators(0, 3)
	for i := range leaves {
		leaves[i].Object, leaves[i].Type, leaves[i].State, leaves[i].Reason = "", "", Refused, reason.JSONSyntax
	}
	id := accept(t, s, newAuthor(t, "A").entry(draft{leaves: leaves}))
	hits, err := s.Leaves(id)
	must(t, err)
	if len(hits) != 3 || hits[2].Reason != reason.JSONSyntax {
		t.Errorf("leaves %+v", hits)
	}
	if versions, err := s.Versions(""); err != nil || len(versions) != 0 {
		t.Errorf("versions of no id: %v, %v", versions, err)
	}
	if got := lookup(t, s, domain(1)); len(got) != 1 || got[0].State != Refused {
		t.Errorf("look up a refused object: %+v", got)
	}
}
