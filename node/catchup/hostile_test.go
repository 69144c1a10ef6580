package catchup

//bubble: every test in this file but those on bytes alone runs inside inBubble, where time is virtual.

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/host"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"

	"tocsin/node/p2p"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/protocol/recon"
)

// liar answers our protocol with a set of its own, and fetches as it likes.
type liar struct {
	host  host.Host
	items []recon.Item
	// give answers one id; nil says nothing at all, for ever.
	give func(id protocol.RecordID) *itemMessage
	// frame bounds its messages; 0 is as ours.
	frame int
	busy  sync.WaitGroup
}

func itemsOf(records ...*protocol.Record) (items []recon.Item) {
	for _, r := range records {
		items = append(items, recon.Item{Timestamp: uint64(r.Header().Created.UnixMilli()), ID: r.ID()})
	}
	return items
}

// liar connects a peer that answers for drill.
func (m *mesh) liar(n *testNode, items []recon.Item, give func(id protocol.RecordID) *itemMessage) *liar {
	m.t.Helper()
	v := &liar{host: m.stranger(n), items: items, give: give}
	v.host.SetStreamHandler(syncProtocol, func(s network.Stream) {
		v.busy.Add(1)
		defer v.busy.Done()
		v.answer(m, s)
	})
	m.closed = append(m.closed, v.busy.Wait)
	time.Sleep(time.Second) // identify tells the protocol
	return v
}

func readFrame(r io.Reader) ([]byte, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	raw := make([]byte, binary.BigEndian.Uint32(head[:]))
	_, err := io.ReadFull(r, raw)
	return raw, err
}

func writeFrame(w io.Writer, raw []byte) error {
	_, err := w.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(raw))), raw...))
	return err
}

func (v *liar) answer(m *mesh, s network.Stream) {
	defer s.Close()
	var responder *recon.Responder
	say := func(k kind, msg any) bool {
		raw, err := encode(k, msg)
		return err == nil && writeFrame(s, raw) == nil
	}
	for {
		raw, err := readFrame(s)
		if err != nil {
			return
		}
		switch kind(raw[0]) {
		case kindOpen:
			var q openMessage
			if decode(raw[1:], &q, q.check) != nil {
				return
			}
			items := v.items
			if q.Topic != drill().String() {
				items = nil
			}
			responder, err = recon.NewResponder(bounded(recon.NewTree(items), q.Until), cmp.Or(v.frame, maxMessage))
			if err != nil {
				return
			}
			out, err := responder.Answer(q.Message)
			if err != nil || !say(kindOpen, nextMessage{Message: out}) {
				return
			}
		case kindNext:
			var q nextMessage
			if decode(raw[1:], &q, q.check) != nil {
				return
			}
			out, err := responder.Answer(q.Message)
			if err != nil || !say(kindNext, nextMessage{Message: out}) {
				return
			}
		case kindFetch:
			var q idsMessage
			if decode(raw[1:], &q, q.check) != nil {
				return
			}
			for _, id := range q.IDs {
				item := v.give(id)
				if m.ctx.Err() != nil {
					return
				}
				if item == nil {
					<-m.ctx.Done()
					return
				}
				if !say(kindFetch, *item) {
					return
				}
			}
		}
	}
}

// TestStall: a peer that shows everything and gives nothing keeps nothing back: its share goes to others (SYN-16).
func TestStall(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		records := signed(t, author, 500)
		full.hold(t, author, records...)
		m.liar(n, itemsOf(records...), func(protocol.RecordID) *itemMessage { return nil })
		m.connect(n, full)
		start := time.Now()
		m.run(n)
		waitFor(t, 20*time.Second, "all records", func() bool { return n.records() == len(records) })
		t.Logf("took %v", time.Since(start))
		if n.twice() > 0 {
			t.Error("records came twice")
		}
		waitFor(t, time.Minute, "the stalling peer is given up", func() bool {
			for _, p := range n.Status().Peers {
				if p.Error != "" {
					return true
				}
			}
			return false
		})
	})
}

// TestStallByHand: who asked for a round with such a peer reads that it gave no answer in time.
func TestStallByHand(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		v := m.liar(n, itemsOf(signed(t, found(t), 1)...), func(protocol.RecordID) *itemMessage { return nil })
		if err := n.Now(m.ctx, v.host.ID().String()); reason.Of(err) != reason.TimedOut {
			t.Errorf("the round ended with %v", err)
		}
	})
}

// TestDrip: a peer that gives a record every few seconds does not hold the others up either.
func TestDrip(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n, full := m.node(), m.node()
		author := found(t)
		records := signed(t, author, 400)
		full.hold(t, author, records...)
		byID := map[protocol.RecordID][]byte{}
		for _, r := range records {
			byID[r.ID()] = r.Raw()
		}
		m.liar(n, itemsOf(records...), func(id protocol.RecordID) *itemMessage {
			time.Sleep(4 * time.Second)
			return &itemMessage{ID: id, Form: formFull, Bytes: byID[id]}
		})
		m.connect(n, full)
		m.run(n)
		waitFor(t, 30*time.Second, "all records", func() bool { return n.records() == len(records) })
	})
}

// TestLies: bytes that are not the record, of whatever kind, end the visit and do not keep the record
// from coming from an honest peer (SYN-02, SYN-11).
func TestLies(t *testing.T) {
	type fixture struct {
		id           protocol.RecordID
		good, second *protocol.Record
		foreign      *protocol.Record
	}
	of := func(f form, raw func(fixture) []byte) func(fixture) *itemMessage {
		return func(x fixture) *itemMessage { return &itemMessage{ID: x.id, Form: f, Bytes: raw(x)} }
	}
	bytesOf := func(text string) func(fixture) []byte { return func(fixture) []byte { return []byte(text) } }
	spoiled := func(x fixture) []byte {
		raw := append([]byte(nil), x.good.Raw()...)
		raw[len(raw)-1] ^= 1
		return raw
	}
	for name, tt := range map[string]struct {
		item func(fixture) *itemMessage
		ends bool // the visit
	}{
		"another record": {of(formFull, func(x fixture) []byte { return x.second.Raw() }), true},
		"a spoiled body": {of(formFull, spoiled), true},
		"noise":          {of(formFull, bytesOf("noise")), true},
		"another id": {func(x fixture) *itemMessage {
			return &itemMessage{ID: x.second.ID(), Form: formFull, Bytes: x.second.Raw()}
		}, true},
		"an unknown form":          {of(9, bytesOf("x")), true},
		"absent with bytes":        {of(formAbsent, bytesOf("x")), true},
		"full without bytes":       {of(formFull, bytesOf("")), true},
		"a pruned one that is not": {of(formPruned, func(x fixture) []byte { return pack(x.good.Raw()) }), true},
		"pruned, not zstd":         {of(formPruned, bytesOf("x")), true},
		"a zip bomb":               {of(formPruned, func(fixture) []byte { return pack(make([]byte, protocol.MaxPrunedBytes+1)) }), true},
		"absent":                   {of(formAbsent, bytesOf("")), false},
		"of an unknown author":     {of(formFull, func(x fixture) []byte { return x.foreign.Raw() }), true},
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				n, full := m.node(), m.node()
				author := found(t)
				list := signed(t, author, 2)
				x := fixture{id: list[0].ID(), good: list[0], second: list[1], foreign: signed(t, found(t), 1)[0]}
				n.learn(author.Statements...)
				full.hold(t, author, x.good)
				item := tt.item(x)
				v := m.liar(n, itemsOf(x.good), func(protocol.RecordID) *itemMessage { return item })
				if err := n.visitShown(m, v.host.ID().String(), x.id); (err != nil) != tt.ends {
					t.Errorf("the visit ended with %v", err)
				}
				if n.records() != 0 || n.inflight.count() != 0 || n.refused.count(time.Now()) != 0 {
					t.Errorf("%d records, %d wanted, %d refused", n.records(), n.inflight.count(), n.refused.count(time.Now()))
				}
				m.connect(n, full)
				if err := n.visitShown(m, full.host.PeerID(), x.id); err != nil || !n.d.Store.Has(x.id) {
					t.Errorf("the record did not come from an honest peer: %v", err)
				}
			})
		})
	}
}

// visitShown fetches one id from a peer, as after a comparison.
func (n *testNode) visitShown(m *mesh, p string, id protocol.RecordID) error {
	stream, err := n.d.Host.Open(m.ctx, p, exchange())
	check(m.t, err)
	s := n.session(p, stream)
	defer stream.Reset()
	return s.fetch(m.ctx, drill(), []protocol.RecordID{id}, new(outcome))
}

// TestHostileFrames: whatever a peer sends as a question, the exchange ends and the node goes on.
func TestHostileFrames(t *testing.T) {
	good, err := encode(kindFetch, idsMessage{IDs: []protocol.RecordID{{1}}})
	check(t, err)
	many := make([]protocol.RecordID, maxFetch+1)
	for i := range many {
		binary.BigEndian.PutUint32(many[i][:], uint32(i))
	}
	frame := func(k kind, v any) []byte {
		raw, err := encode(k, v)
		check(t, err)
		return raw
	}
	org, key := protocol.OrgID{1}, protocol.KeyID{2}
	for name, raw := range map[string][]byte{
		"no type":            {0},
		"an unknown type":    {99, 0x80},
		"a refusal":          frame(kindRefusal, refusalMessage{Code: 1}),
		"no body":            {byte(kindFetch)},
		"a map":              {byte(kindFetch), 0xa0},
		"something behind":   append(append([]byte(nil), good...), 0),
		"no ids":             frame(kindFetch, idsMessage{IDs: []protocol.RecordID{}}),
		"257 ids":            frame(kindFetch, idsMessage{IDs: many}),
		"an id twice":        frame(kindFetch, idsMessage{IDs: []protocol.RecordID{{1}, {1}}}),
		"next before open":   frame(kindNext, nextMessage{Message: []byte{0x61}}),
		"an empty message":   frame(kindOpen, openMessage{Topic: "drill", Message: nil}),
		"a message of 64K+1": frame(kindOpen, openMessage{Topic: "drill", Message: make([]byte, maxMessage+1)}),
		"a wrong message":    frame(kindOpen, openMessage{Topic: "drill", Until: 1, Message: []byte{0x61, 0xff, 0xff}}),
		"no topic":           frame(kindDigest, digestMessage{Topic: "No Topic"}),
		"place 0":            frame(kindRange, rangeMessage{Topic: "drill", Org: org, Key: key, From: 0, To: 5}),
		"places backwards":   frame(kindRange, rangeMessage{Topic: "drill", Org: org, Key: key, From: 5, To: 4}),
		"1025 places":        frame(kindRange, rangeMessage{Topic: "drill", Org: org, Key: key, From: 1, To: 1025}),
	} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, m *mesh) {
				n := m.node()
				s, err := m.stranger(n).NewStream(m.ctx, id(t, n), syncProtocol)
				check(t, err)
				check(t, writeFrame(s, raw))
				if answer, err := readFrame(s); err == nil || errors.Is(err, io.EOF) {
					t.Errorf("answered with %x, %v; want a reset", answer, err)
				}
				again, err := m.stranger(n).NewStream(m.ctx, id(t, n), syncProtocol)
				check(t, err)
				check(t, writeFrame(again, good))
				if _, err := readFrame(again); err != nil {
					t.Errorf("another peer is not answered any more: %v", err)
				}
				check(t, again.Reset())
			})
		})
	}
}

func id(t *testing.T, n *testNode) peer.ID {
	t.Helper()
	p, err := peer.Decode(n.host.PeerID())
	check(t, err)
	return p
}

// TestLimits: what is just within the bounds is answered (SYN-05, SYN-06, SYN-20), a topic that is not joined refused.
func TestLimits(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		s, err := m.stranger(n).NewStream(m.ctx, id(t, n), syncProtocol)
		check(t, err)
		ids := make([]protocol.RecordID, maxFetch)
		for i := range ids {
			binary.BigEndian.PutUint32(ids[i][:], uint32(i+1))
		}
		for name, q := range map[string]struct {
			kind    kind
			message any
			answers int
			want    kind
		}{
			"256 ids":       {kindFetch, idsMessage{IDs: ids}, maxFetch, kindFetch},
			"1024 places":   {kindRange, rangeMessage{Topic: "drill", From: 1, To: 1024}, 1, kindRange},
			"a digest":      {kindDigest, digestMessage{Topic: "drill"}, 1, kindDigest},
			"another topic": {kindDigest, digestMessage{Topic: "fraud"}, 1, kindRefusal},
			"open another":  {kindOpen, openMessage{Topic: "fraud", Message: []byte{0x61}}, 1, kindRefusal},
			"a range there": {kindRange, rangeMessage{Topic: "fraud", From: 1, To: 1}, 1, kindRange},
		} {
			raw, err := encode(q.kind, q.message)
			check(t, err)
			check(t, writeFrame(s, raw))
			for i := range q.answers {
				answer, err := readFrame(s)
				if err != nil || kind(answer[0]) != q.want {
					t.Fatalf("%s: answer %d is %x, %v", name, i, answer, err)
				}
			}
		}
		check(t, s.Reset())
	})
}

// TestFakeIDs: ids that nobody has cost a question each and are not counted as missing for long (SYN-11, SYN-14).
func TestFakeIDs(t *testing.T) {
	inBubble(t, func(t *testing.T, m *mesh) {
		n := m.node()
		var items []recon.Item
		start := uint64(time.Now().Add(-time.Hour).UnixMilli())
		for i := range 2000 {
			it := recon.Item{Timestamp: start + uint64(i)}
			copy(it.ID[:], fmt.Sprintf("no such record %17d", i))
			items = append(items, it)
		}
		asked := 0
		v := m.liar(n, items, func(id protocol.RecordID) *itemMessage { asked++; return &itemMessage{ID: id} })
		m.run(n)
		time.Sleep(20 * time.Minute)
		st := n.Status()
		if st.Behind != 0 || asked != len(items) || !st.Peers[0].Next.After(time.Now().Add(30*time.Second)) {
			t.Errorf("%d behind, %d asked for, peer %+v", st.Behind, asked, st.Peers)
		}
		_ = v
	})
}

// TestEqualStores: with equal sets of 10,000 one message each way says so, of less than 1 kB in all (SYN-03, SYN-04).
func TestEqualStores(t *testing.T) {
	var items []recon.Item
	for i := range 10_000 {
		it := recon.Item{Timestamp: uint64(1e12 + i*1000)}
		binary.BigEndian.PutUint32(it.ID[:], uint32(i)*2654435761)
		items = append(items, it)
	}
	set := recon.NewTree(items)
	i, err := recon.NewInitiator(set, maxMessage)
	check(t, err)
	first, err := i.Initiate()
	check(t, err)
	question, err := encode(kindOpen, openMessage{Topic: "malicious-code", Until: 1 << 41, Message: first})
	check(t, err)
	r, err := recon.NewResponder(set, maxMessage)
	check(t, err)
	out, err := r.Answer(first)
	check(t, err)
	answer, err := encode(kindOpen, nextMessage{Message: out})
	check(t, err)
	next, have, need, err := i.Reconcile(out)
	if next != nil || len(have) != 0 || len(need) != 0 || err != nil {
		t.Errorf("after one message: next %x, have %d, need %d, %v", next, len(have), len(need), err)
	}
	if total := len(question) + len(answer) + 8; total >= 1024 {
		t.Errorf("%d bytes", total)
	}
}

// TestRefusals: at most so many, the oldest goes first, and for a time only (SYN-13).
func TestRefusals(t *testing.T) {
	now := time.Now()
	table := newRefusals[int](3)
	for i := range 4 {
		table.add(i, refusal{code: reason.LogFork, until: now.Add(time.Hour)})
	}
	table.add(3, refusal{code: reason.LogFork, until: now.Add(2 * time.Hour)})
	for i, want := range []bool{false, true, true, true} {
		if _, ok := table.find(i, now); ok != want {
			t.Errorf("%d is there: %v", i, ok)
		}
	}
	if n := table.count(now.Add(time.Hour)); n != 1 {
		t.Errorf("%d after their time, want 1", n)
	}
	if maxRefused != 100_000 || refusedLife != 24*time.Hour {
		t.Error("SYN-13 names other bounds")
	}
	for code, want := range map[reason.Code]bool{reason.QuarantineFull: true, reason.OrgBlocked: true, reason.LogFork: true, reason.TimeExpired: true,
		reason.StoreFull: false, reason.Internal: false, reason.StoreDamaged: false, "": false} {
		if refuses(code) != want {
			t.Errorf("%q counts as refused: %v", code, !want)
		}
	}
}

// FuzzFrame: what decodes re-encodes to the same bytes, of each type, and nothing panics.
func FuzzFrame(f *testing.F) {
	for k, v := range map[kind]any{
		kindOpen: openMessage{Topic: "drill", Until: 7, Message: []byte{0x61}}, kindNext: nextMessage{Message: []byte{0x61}},
		kindFetch: idsMessage{IDs: []protocol.RecordID{{1}, {2}}}, kindRange: rangeMessage{Topic: "drill", From: 1, To: 2},
		kindHint: hintMessage{Topic: "drill", N: 3}, kindDigest: digestMessage{Topic: "drill", Until: 9}, kindRefusal: refusalMessage{Code: 2},
		100: itemMessage{ID: protocol.RecordID{1}, Form: formHeader, Bytes: []byte("x")}, 101: digestAnswer{N: 1},
	} {
		raw, err := p2p.EncodeMessage(v)
		check(f, err)
		f.Add(byte(k), raw)
	}
	f.Fuzz(func(t *testing.T, k byte, raw []byte) {
		var (
			open   openMessage
			next   nextMessage
			ids    idsMessage
			places rangeMessage
			hint   hintMessage
			digest digestMessage
			item   itemMessage
			answer digestAnswer
			no     refusalMessage
		)
		target, check := map[kind]any{kindOpen: &open, kindNext: &next, kindFetch: &ids, kindRange: &places, kindHint: &hint, kindDigest: &digest, kindRefusal: &no,
			100: &item, 101: &answer}[kind(k)], map[kind]func() error{kindOpen: open.check, kindNext: next.check, kindFetch: ids.check,
			kindRange: places.check, kindHint: hint.check, kindDigest: digest.check, 100: item.check}[kind(k)]
		if target == nil {
			return
		}
		if check == nil {
			check = anything
		}
		if decode(raw, target, check) != nil {
			return
		}
		again, err := p2p.EncodeMessage(target)
		if err != nil || string(again) != string(raw) {
			t.Errorf("type %d: %x became %x, %v", k, raw, again, err)
		}
	})
}
