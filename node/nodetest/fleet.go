// Package nodetest runs fleets of real nodes in virtual time: the production
// constructor, stores in memory, libp2p hosts on simulated links, inside a synctest
// bubble. It knows how to cut links and how to misbehave, and what must be true
// of a fleet afterwards. Only tests import it.
package nodetest

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/libp2p/go-libp2p"

	"tocsin/node"
	"tocsin/node/outbox"
	"tocsin/protocol"
	"tocsin/protocol/stix"
	"tocsin/protocol/trust"
)

// Federation is the network name of every fleet.
const Federation = "fleet"

// Options shape a fleet. The zero value of each field is its default.
type Options struct {
	// Nodes is how many there are; default 3.
	Nodes int
	// Topics are joined by every node besides control; default "malicious-code".
	Topics []string
	// Latency is the one-way delay between node i and node j; default 5 to 60 ms, by their numbers.
	Latency func(i, j int) time.Duration
	// Assets is what every operator owns, as lines of warninglists/assets.txt.
	Assets []string
}

// Fleet is a running fleet. Its methods are called from one goroutine, the test's.
type Fleet struct {
	// Members are the nodes by number.
	Members []*Member

	t         testing.TB
	ctx       context.Context // ends with the fleet; a fleet lives as long as one call of Run
	net       *network
	published []Published
	hostile   []*Hostile
	objects   int // made so far, so that no two are alike
}

// Member is one node of a fleet.
type Member struct {
	*node.Node
	// Number is its place in Members.
	Number int
	addr   string
}

// Published is a record that a member published.
type Published struct {
	By     int
	ID     protocol.RecordID
	Topic  protocol.Topic
	Raw    []byte
	Values []string // addresses that its indicators name
}

// Run starts a fleet in a bubble, calls f in it, and stops it. The bubble fails if
// a goroutine is left over.
func Run(t *testing.T, o Options, f func(t *testing.T, f *Fleet)) {
	t.Helper()
	dir := t.TempDir() // outside: its removal must not wait for the bubble's clock
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		fleet := &Fleet{t: t, ctx: ctx, net: newNetwork(o.Latency)}
		var running sync.WaitGroup
		defer func() {
			stop()
			running.Wait()
			fleet.close()
		}()
		for i := range max(o.Nodes, 3) {
			fleet.start(filepath.Join(dir, fmt.Sprint(i)), o, &running)
		}
		f(t, fleet)
	})
}

// start founds and runs the next node.
func (f *Fleet) start(dir string, o Options, running *sync.WaitGroup) {
	f.t.Helper()
	number := len(f.Members)
	addr, option := f.net.endpoint()
	topics := o.Topics
	if len(topics) == 0 {
		topics = []string{"malicious-code"}
	}
	cfg := node.Config{Network: Federation, Listen: []string{addr}, Topics: topics}
	paths := node.Paths{Config: dir, Data: dir, Runtime: dir}
	if _, err := node.Init(paths, cfg, node.Profile{Name: fmt.Sprintf("CERT %d", number), Country: "CH"}); err != nil {
		f.t.Fatalf("found node %d: %v", number, err)
	}
	if len(o.Assets) > 0 {
		if err := writeAssets(paths.WarningLists(cfg.WithDefaults()), o.Assets); err != nil {
			f.t.Fatal(err)
		}
	}
	n, err := node.New(paths, cfg, node.Options{Memory: true, NoAdmin: true, P2P: []libp2p.Option{option}})
	if err != nil {
		f.t.Fatalf("start node %d: %v", number, err)
	}
	f.Members = append(f.Members, &Member{Node: n, Number: number, addr: n.Host.Addrs()[0]})
	ready := make(chan struct{})
	running.Go(func() {
		if err := n.Run(f.ctx, func() { close(ready) }); err != nil {
			f.t.Errorf("node %d stopped: %v", number, err)
		}
	})
	<-ready
}

func writeAssets(dir string, lines []string) error {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "assets.txt"), []byte(strings.Join(lines, "\n")+"\n"), 0o600)
}

func (f *Fleet) close() {
	for _, h := range f.hostile {
		h.close()
	}
	for _, m := range f.Members {
		if err := m.Close(); err != nil {
			f.t.Errorf("close node %d: %v", m.Number, err)
		}
	}
	f.net.close()
}

// Settle lets virtual time pass.
func (f *Fleet) Settle(d time.Duration) { time.Sleep(d) }

// Connect peers i with j as `peers add` does; it returns once they know each other.
func (f *Fleet) Connect(i, j int) {
	f.t.Helper()
	if _, err := f.Members[i].Host.Connect(f.ctx, f.Members[j].addr); err != nil {
		f.t.Fatalf("connect %d to %d: %v", i, j, err)
	}
}

// Line connects each node with the next.
func (f *Fleet) Line() {
	f.t.Helper()
	f.connectAll(func(i int) []int { return []int{i + 1} }, false)
}

// Ring connects each node with those that follow it at the given distances.
func (f *Fleet) Ring(distances ...int) {
	f.t.Helper()
	f.connectAll(func(i int) []int {
		var to []int
		for _, d := range distances {
			to = append(to, i+d)
		}
		return to
	}, true)
}

// connectAll connects every node with its partners, all at once.
func (f *Fleet) connectAll(partners func(int) []int, wrap bool) {
	var wg sync.WaitGroup
	for i := range f.Members {
		for _, j := range partners(i) {
			if j >= len(f.Members) && !wrap {
				continue
			}
			wg.Go(func() { f.Connect(i, j%len(f.Members)) })
		}
	}
	wg.Wait()
}

// Trust puts j on i's trust list.
func (f *Fleet) Trust(i, j int, l trust.Level) {
	f.t.Helper()
	err := f.Members[i].Policy.Set(trust.Entry{
		Org: f.Members[j].Own(), Petname: fmt.Sprintf("cert %d", j), Level: l,
		Expires: time.Now().Add(180 * 24 * time.Hour), Reason: "fleet",
	})
	if err != nil {
		f.t.Fatalf("node %d lists node %d: %v", i, j, err)
	}
}

// ListEverywhere puts j on the trust list of every other node.
func (f *Fleet) ListEverywhere(j int, l trust.Level) {
	f.t.Helper()
	for i := range f.Members {
		if i != j {
			f.Trust(i, j, l)
		}
	}
}

// Publish publishes n fresh indicators of node i on a topic, as an operator would.
func (f *Fleet) Publish(i int, topic string, n int) []Published {
	f.t.Helper()
	on, err := protocol.ParseTopic(topic)
	if err != nil {
		f.t.Fatal(err)
	}
	m := f.Members[i]
	bundle, values := f.bundle(n)
	res, err := m.Outbox.Publish(f.ctx, outbox.Request{Topic: on, TLP: stix.Green, Confidence: -1, Data: bundle})
	if err != nil || len(res.Skipped) > 0 || res.Objects != n {
		f.t.Fatalf("node %d publishes %d objects: %d went out, skipped %v, %v", i, n, res.Objects, res.Skipped, err)
	}
	var list []Published
	for _, id := range res.Records {
		raw, _, err := m.Store.Record(id)
		if err != nil {
			f.t.Fatal(err)
		}
		list = append(list, Published{By: i, ID: id, Topic: on, Raw: raw, Values: values})
	}
	f.published = append(f.published, list...)
	return list
}

// Published lists what the fleet published so far.
func (f *Fleet) Published() []Published { return f.published }

// bundle makes a STIX bundle of n indicators, each for an address of its own.
func (f *Fleet) bundle(n int) (raw []byte, values []string) {
	now := time.Now().UTC().Format("2006-01-02T15:04:05.000Z")
	objects := make([]map[string]any, n)
	for i := range objects {
		f.objects++
		value := fmt.Sprintf("11.%d.%d.%d", f.objects>>16&0xff, f.objects>>8&0xff, f.objects&0xff)
		values = append(values, value)
		objects[i] = map[string]any{
			"type": "indicator", "spec_version": "2.1", "id": fmt.Sprintf("indicator--00000000-0000-4000-8000-%012x", f.objects),
			"created": now, "modified": now, "valid_from": now,
			"pattern": fmt.Sprintf("[ipv4-addr:value = '%s']", value), "pattern_type": "stix",
		}
	}
	raw, err := json.Marshal(map[string]any{
		"type": "bundle", "id": fmt.Sprintf("bundle--00000000-0000-4000-8000-%012x", f.objects), "objects": objects,
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return raw, values
}
