package scores

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// TestEvidence is what each course of events brings to whose card. Each is counted
// once as the records come and once as a backlog: the cards are the same.
func TestEvidence(t *testing.T) {
	tests := []struct {
		name string
		play []func(k *kit)
		want map[string]string
	}{
		{"alone", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
		}, map[string]string{"anchor": "1/1 +0 -0 w0"}},
		{"two counted voices confirm each other", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, claim(2, bad)) },
		}, map[string]string{"anchor": "1/0 +1 -0 w0", "partner": "1/0 +1 -0 w0"}},
		{"the third repeats what is known", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, claim(2, bad)) },
			func(k *kit) { k.send("other", 6, claim(3, bad)) },
		}, map[string]string{"anchor": "1/0 +1 -0 w0", "partner": "1/0 +1 -0 w0", "other": "1/0 +0 -0 w0"}},
		{"said again, in other objects and newer versions", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, claim(2, bad)) },
			func(k *kit) { k.send("anchor", 6, claim(4, bad)) },
			func(k *kit) { k.send("partner", 7, version(claim(2, bad), 7)) },
			func(k *kit) { k.send("partner", 8, claim(2, bad)) },
		}, map[string]string{"anchor": "2/0 +1 -0 w0", "partner": "2/0 +1 -0 w0"}},
		{"an observed voice is confirmed by the counted one after it", []func(k *kit){
			func(k *kit) { k.send("observed", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, claim(2, bad)) },
			func(k *kit) { k.send("anchor", 6, claim(3, bad)) },
		}, map[string]string{"observed": "1/0 +1 -0 w0", "partner": "1/0 +1 -0 w0", "anchor": "1/0 +1 -0 w0"}},
		{"observed voices confirm nobody", []func(k *kit){
			func(k *kit) { k.send("observed", 0, claim(1, bad)) },
			func(k *kit) { k.send("observed2", 5, claim(2, bad)) },
		}, map[string]string{"observed": "1/0 +0 -0 w0", "observed2": "1/0 +0 -0 w0"}},
		{"strangers count for nothing", []func(k *kit){
			func(k *kit) { k.send("stranger", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, claim(2, bad)) },
			func(k *kit) { k.send("stranger", 6, opinion(3, storage.Refutes, id(2))) },
		}, map[string]string{"partner": "1/1 +0 -0 w0", "stranger": "0/0 +0 -0 w0"}},
		{"said twice in one record", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad, bad), claim(2, bad)) },
			func(k *kit) { k.send("partner", 5, claim(3, bad), claim(4, bad, bad)) },
			func(k *kit) {
				k.send("other", 6, opinion(1, storage.Refutes, id(1), id(1)), opinion(2, storage.Refutes, id(1)))
			},
		}, map[string]string{"anchor": "2/1 +1 -1 w0", "partner": "2/1 +1 -0 w0"}},
		{"one upstream is one voice", []func(k *kit){
			func(k *kit) { k.sendFrom("anchor", "feed:z", 0, claim(1, bad)) },
			func(k *kit) { k.sendFrom("partner", "feed:z", 5, claim(2, bad)) },
		}, map[string]string{"anchor": "1/1 +0 -0 w0", "partner": "1/0 +0 -0 w0"}},
		{"a value that is no claim by itself is none", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) {
				l := claim(2, bad)
				l.Values[0].Alone = false
				k.send("partner", 5, l)
			},
		}, map[string]string{"anchor": "1/1 +0 -0 w0", "partner": "1/1 +0 -0 w0"}},
		{"refuted, once a group", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, opinion(1, storage.Refutes, id(1))) },
			func(k *kit) { k.send("partner", 6, opinion(2, storage.Refutes, id(1))) },
			func(k *kit) { k.send("partner", 7, version(opinion(1, storage.Refutes, id(1)), 7)) },
			func(k *kit) { k.send("other", 8, opinion(3, storage.Refutes, id(1), id(1))) },
		}, map[string]string{"anchor": "1/1 +0 -2 w0", "partner": "0/0 +0 -0 w0"}},
		{"refuted before it came", []func(k *kit){
			func(k *kit) { k.send("partner", 0, opinion(1, storage.Refutes, id(1))) },
			func(k *kit) { k.send("anchor", 5, claim(1, bad)) },
			func(k *kit) { k.send("anchor", 6, version(claim(1, bad), 6)) },
		}, map[string]string{"anchor": "2/2 +0 -1 w0"}},
		{"observed voices and agreement refute nothing", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("observed", 5, opinion(1, storage.Refutes, id(1))) },
			func(k *kit) { k.send("partner", 6, opinion(2, storage.Confirms, id(1))) },
			func(k *kit) { k.send("partner", 7, opinion(3, storage.Absent, id(1))) },
			func(k *kit) { k.send("anchor", 8, opinion(4, storage.Refutes, id(1))) },
		}, map[string]string{"anchor": "1/1 +0 -0 w0"}},
		{"taken back", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("anchor", 5, revoked(claim(1, bad), 5)) },
			func(k *kit) { k.send("anchor", 6, revoked(claim(1, bad), 6)) },
		}, map[string]string{"anchor": "1/1 +0 -0 w1"}},
		{"taken back after it was refuted", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, opinion(1, storage.Refutes, id(1))) },
			func(k *kit) { k.send("anchor", 35, revoked(claim(1, bad), 35)) },
		}, map[string]string{"anchor": "1/1 +0 -1 w0"}},
		{"somebody else's withdrawal takes back nothing", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("partner", 5, revoked(claim(1, bad), 5)) },
		}, map[string]string{"anchor": "1/1 +0 -0 w0", "partner": "0/0 +0 -0 w0"}},
		{"the same id of another organisation is charged for itself", []func(k *kit){
			func(k *kit) { k.send("anchor", 0, claim(1, bad)) },
			func(k *kit) { k.send("other", 1, claim(1, "else.example")) },
			func(k *kit) { k.send("partner", 5, opinion(1, storage.Refutes, id(1))) },
		}, map[string]string{"anchor": "1/1 +0 -1 w0", "other": "1/1 +0 -1 w0"}},
		{"our own word confirms and refutes", []func(k *kit){
			func(k *kit) { k.send("partner", 0, claim(1, bad), claim(2, "two.example")) },
			func(k *kit) { k.send("own", 5, claim(3, bad), opinion(1, storage.Refutes, id(2))) },
		}, map[string]string{"partner": "2/1 +1 -1 w0", "own": "1/0 +1 -0 w0"}},
	}
	for _, test := range tests {
		for _, behind := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/behind=%v", test.name, behind), func(t *testing.T) {
				k := newCast(t)
				for _, act := range test.play {
					act(k)
					if !behind {
						k.catchUp()
					}
				}
				k.catchUp()
				for name, want := range test.want {
					if got := k.marks(name); got != want {
						t.Errorf("%s: %s, want %s", name, got, want)
					}
				}
			})
		}
	}
}

func newCast(t testing.TB) *kit {
	t.Helper()
	k := newKit(t)
	k.list("anchor", trust.Anchor)
	k.list("partner", trust.Partner)
	k.list("other", trust.Partner)
	k.list("observed", trust.Observed)
	k.list("observed2", trust.Observed)
	k.author("stranger", trust.Unknown, nil)
	return k
}

func TestSpans(t *testing.T) {
	k := newCast(t)
	k.send("anchor", 0, claim(1, bad), claim(2, "two.example"), claim(3, "three.example"))
	k.send("partner", 10, claim(11, bad))
	k.send("partner", 30, claim(12, "two.example"))
	k.send("partner", 20, claim(13, "three.example"))
	k.send("partner", 40, opinion(1, storage.Refutes, id(1)))
	k.catchUp()
	k.send("anchor", 100, revoked(claim(1, bad), 100))
	k.catchUp()
	c := k.card("anchor")
	if c.Lead != (Timing{20 * time.Minute, 3}) || c.Retraction != (Timing{time.Hour, 1}) {
		t.Errorf("lead %v, retraction %v", c.Lead, c.Retraction)
	}
	if !c.Work.First.Equal(now) || !c.Work.Last.Equal(now.Add(100*time.Minute)) {
		t.Errorf("from %v to %v", c.Work.First, c.Work.Last)
	}
	// 3 confirmed and 1 refuted today: (3+4)/(3+4+5)
	if q := k.Q(k.by["anchor"].Org, topic, now); q != 5833 || c.Ledger.Q != q {
		t.Errorf("q %d, on the card %d", q, c.Ledger.Q)
	}
	if q := k.Q(k.by["observed"].Org, topic, now); q != 0 {
		t.Errorf("q without a ledger: %d", q)
	}
	var s spans
	for i := range maxSpans + 10 {
		s.add(time.Duration(i) * time.Second)
	}
	if got := s.timing(); len(s.Newest) != maxSpans || got.Of != maxSpans+10 || got.Median != 41*time.Second || s.Longest != maxSpans+9 {
		t.Errorf("many spans: %v of %d, longest %d", got, len(s.Newest), s.Longest)
	}
}

// TestRestart: nothing is counted twice and nothing is lost, wherever the node stopped
// and whether or not the file was written. (What is taken back meanwhile is seen as it is then.)
func TestRestart(t *testing.T) {
	for seed := range uint64(5) {
		chance := rand.New(rand.NewPCG(seed, 0))
		calm, torn := newCast(t), newCast(t)
		torn.by, torn.Deps = calm.by, calm.Deps
		torn.reopen()
		for i := range 40 {
			name := []string{"anchor", "partner", "other", "observed"}[chance.IntN(4)]
			switch value := fmt.Sprintf("v%d.example", chance.IntN(8)); chance.IntN(4) {
			case 0:
				calm.send(name, i, opinion(1000+i, storage.Refutes, id(chance.IntN(40))), opinion(2000+i, storage.Refutes, id(chance.IntN(40))))
			default:
				calm.send(name, i, claim(i, value, fmt.Sprintf("v%d.example", chance.IntN(8))), claim(100+i, value))
			}
			if chance.IntN(3) == 0 {
				torn.catchUp()
				if chance.IntN(2) == 0 {
					must(t, torn.save(now))
				}
				torn.reopen()
			}
		}
		calm.catchUp()
		torn.catchUp()
		want, err := calm.totals.encode()
		must(t, err)
		got, err := torn.totals.encode()
		must(t, err)
		if string(got) != string(want) || !strings.Contains(string(got), "confirmed") {
			t.Errorf("seed %d:\n%s\nwant\n%s", seed, got, want)
		}
	}
}

func TestFile(t *testing.T) {
	k := newCast(t)
	k.send("anchor", 0, claim(1, bad))
	k.send("partner", 1, claim(2, bad))
	k.catchUp()
	must(t, k.save(now))
	path := filepath.Join(k.dir, "scores.json")
	raw, err := os.ReadFile(path)
	must(t, err)
	read, err := readTotals(path)
	must(t, err)
	if again, err := read.encode(); err != nil || string(again) != string(raw) {
		t.Errorf("written again: %v\n%s\n%s", err, again, raw)
	}
	n := 1
	for name, text := range map[string]string{
		"empty": "", "no JSON": "{", "another version": `{"version":2}`, "trailing": string(raw) + "x",
		"too many cards": `{"version":1,"cards":[` + strings.Repeat("null,", maxCards) + "null]}",
	} {
		must(t, os.WriteFile(path, []byte(text), 0o600))
		b, err := Open(path, k.Deps)
		must(t, err)
		aside := fmt.Sprintf("scores.json.damaged-%d", n)
		if b.totals.cursor != 0 || !strings.Contains(b.Damage(), aside) || !strings.Contains(b.Damage(), string(reason.StateDamaged)) {
			t.Errorf("%s: cursor %d, %q", name, b.totals.cursor, b.Damage())
		}
		if kept, err := os.ReadFile(filepath.Join(k.dir, aside)); err != nil || string(kept) != text {
			t.Errorf("%s: it is not kept: %v", name, err)
		}
		if b, err = Open(path, k.Deps); err != nil || b.Damage() != "" {
			t.Errorf("%s: said again: %v, %v", name, b, err)
		}
		n++
	}
	must(t, os.Mkdir(path, 0o700)) // what cannot be read at all is no damage
	if _, err := Open(path, k.Deps); err == nil {
		t.Error("a folder is taken for the file")
	}
	must(t, os.Remove(path))
	// A store that knows less than the file was replaced.
	must(t, os.WriteFile(path, []byte(strings.Replace(string(raw), `"cursor":2`, `"cursor":99`, 1)), 0o600))
	b, err := Open(path, k.Deps)
	must(t, err)
	if b.totals.cursor != 0 || len(b.totals.cards) != 0 {
		t.Errorf("after the store was replaced: cursor %d, %d cards", b.totals.cursor, len(b.totals.cards))
	}
}

func TestCardsAreBounded(t *testing.T) {
	totals := newTotals()
	for i := range maxCards {
		if totals.at(seat{topic: fmt.Sprint(i)}) == nil {
			t.Fatalf("card %d refused", i)
		}
	}
	if totals.at(seat{topic: "one more"}) != nil || totals.at(seat{topic: "0"}) == nil {
		t.Error("the bound does not hold, or hides what is there")
	}
	var c card
	for day := range int32(2 * tallyDays) {
		c.tally(tally{Tally: trust.Tally{Day: day, Good: 1}})
		c.tally(tally{Tally: trust.Tally{Day: day, Bad: 1}})
	}
	if len(c.Tallies) != tallyDays || c.Tallies[0] != (tally{Tally: trust.Tally{Day: tallyDays, Good: 1, Bad: 1}}) {
		t.Errorf("%d tallies, the first %+v", len(c.Tallies), c.Tallies[0])
	}
}
