package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"strings"
	"time"

	"tocsin/protocol/pattern"
	"tocsin/protocol/warn"
)

// The warning lists that are measured: a million entries as large installations have them, and
// the values that are asked for; fewer of the reference, which looks at every network for each.
const (
	warnValues  = 20_000
	naiveValues = 200
)

// warnCorpus says how many entries of each kind there are.
type warnCorpus struct{ names, addresses, networks int }

func millionWarnings() warnCorpus { return warnCorpus{500_000, 400_000, 100_000} }

// reportWarnings measures loading a million entries and matching values, beside the
// straightforward way: encoding/json, maps of strings, and a walk over the networks.
func reportWarnings(rounds int) error {
	corpus := millionWarnings()
	files, values := corpus.files(), corpus.values()
	var load, match, naiveLoad, naiveMatch []time.Duration
	var product, naive *warningContender
	for range rounds {
		for _, c := range []struct {
			build       func([][]byte) (*warningContender, error)
			values      []pattern.Observable
			load, match *[]time.Duration
			last        **warningContender
		}{{loadProduct, values, &load, &match, &product}, {loadNaive, values[:naiveValues], &naiveLoad, &naiveMatch, &naive}} {
			*c.last = nil
			before := heapBytes()
			s, err := measure(func() (n int, err error) {
				*c.last, err = c.build(files)
				return 1, err
			})
			if err != nil {
				return err
			}
			(*c.last).bytes = heapBytes() - before
			*c.load = append(*c.load, s.perUnit())
			if s, err = measure(func() (int, error) { return len(c.values), (*c.last).ask(c.values) }); err != nil {
				return err
			}
			*c.match = append(*c.match, s.perUnit())
		}
	}
	seconds := func(ds []time.Duration) float64 { return spreadOf(ds).median.Seconds() }
	fmt.Printf("\nwarning lists: %d names, %d addresses, %d networks, %d rounds, CPU time\n", corpus.names, corpus.addresses, corpus.networks, rounds)
	fmt.Printf("  %-34s load %5.2f s, %4d MiB, match %s\n", "reference: JSON, maps, a walk", seconds(naiveLoad), naive.bytes>>20, spreadOf(naiveMatch))
	fmt.Printf("  %-34s load %5.2f s, %4d MiB, match %s\n", "product", seconds(load), product.bytes>>20, spreadOf(match))
	fmt.Printf("  (aim: load under 3 s, 150 MiB, match under 5 us)\n")
	return nil
}

// warningContender is one way to hold the lists.
type warningContender struct {
	match func(pattern.Observable) bool
	bytes int64
}

// ask looks all values up; every second one is listed.
func (c *warningContender) ask(values []pattern.Observable) error {
	hits := 0
	for _, o := range values {
		if c.match(o) {
			hits++
		}
	}
	if hits != len(values)/2 {
		return fmt.Errorf("%d of %d values are on a warning list, want half of them", hits, len(values))
	}
	return nil
}

func heapBytes() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// The n-th entry of each kind. Addresses are spread over 64.0.0.0/2, networks over 11.0.0.0/8.
func warnName(n int) string    { return fmt.Sprintf("h%d.zone%d.example", n, n%5000) }
func warnNetwork(n int) string { return fmt.Sprintf("11.%d.%d.%d/25", n>>9, n>>1&255, n&1<<7) }
func warnAddress(n int) string {
	a := uint32(n) * 2654435761 >> 2
	return fmt.Sprintf("%d.%d.%d.%d", 64|a>>24, a>>16&255, a>>8&255, a&255)
}

// files makes three lists in MISP's format.
func (c warnCorpus) files() [][]byte {
	var files [][]byte
	for _, l := range []struct {
		name, typ string
		n         int
		entry     func(int) string
	}{{"names", warn.TypeHostname, c.names, warnName}, {"addresses", warn.TypeCIDR, c.addresses, warnAddress}, {"networks", warn.TypeCIDR, c.networks, warnNetwork}} {
		entries := make([]string, l.n)
		for i := range entries {
			entries[i] = l.entry(i)
		}
		raw, _ := json.Marshal(map[string]any{"name": l.name, "version": 1, "type": l.typ, "list": entries}) // texts and numbers: cannot fail
		files = append(files, raw)
	}
	return files
}

// values are names and addresses, every second one listed.
func (c warnCorpus) values() []pattern.Observable {
	values := make([]pattern.Observable, 0, warnValues)
	for i := 0; len(values) < warnValues; i++ {
		values = append(values,
			pattern.Refang("www."+warnName(i*7%c.names)), pattern.Refang(fmt.Sprintf("www.h%d.never-listed.example", i)),
			pattern.Refang(warnAddress(i*7%c.addresses)), pattern.Refang(fmt.Sprintf("203.0.%d.%d", i>>8&255, i&255)),
			pattern.Refang(strings.TrimSuffix(warnNetwork(i*7%c.networks), "/25")), pattern.Refang(fmt.Sprintf("198.51.%d.%d", i>>8&255, i&255)))
	}
	return values[:warnValues]
}

// loadProduct is the node's own code.
func loadProduct(files [][]byte) (*warningContender, error) {
	var lists []*warn.List
	for _, raw := range files {
		l, err := warn.Parse("list.json", raw, warn.Soft)
		if err != nil {
			return nil, err
		}
		lists = append(lists, l)
	}
	x := warn.Compile(lists)
	return &warningContender{match: func(o pattern.Observable) bool {
		_, ok := x.Match(o)
		return ok
	}}, nil
}

// loadNaive is what one would write first.
func loadNaive(files [][]byte) (*warningContender, error) {
	names := map[string]string{} // to the list
	addresses := map[string]string{}
	networks := map[netip.Prefix]string{}
	for _, raw := range files {
		var l struct {
			Name, Type string
			List       []string
		}
		if err := json.Unmarshal(raw, &l); err != nil {
			return nil, err
		}
		for _, e := range l.List {
			switch {
			case l.Type == warn.TypeHostname:
				names[e] = l.Name
			case strings.Contains(e, "/"):
				p, err := netip.ParsePrefix(e)
				if err != nil {
					return nil, err
				}
				networks[p] = l.Name
			default:
				addresses[e] = l.Name
			}
		}
	}
	if len(names) == 0 || len(addresses) == 0 || len(networks) == 0 {
		return nil, errors.New("a list is empty")
	}
	return &warningContender{match: func(o pattern.Observable) bool {
		for name, more := o.Value, true; more; _, name, more = strings.Cut(name, ".") {
			if _, ok := names[name]; ok {
				return true
			}
		}
		if _, ok := addresses[o.Value]; ok {
			return true
		}
		a, err := netip.ParseAddr(o.Value)
		if err != nil {
			return false
		}
		for p := range networks {
			if p.Contains(a) {
				return true
			}
		}
		return false
	}}, nil
}
