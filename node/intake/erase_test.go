package intake

import (
	"testing"

	"tocsin/protocol"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// What was erased stays so in this run, though the store loses its own note of it, as a repair may.
func TestErasedOutlivesStore(t *testing.T) {
	for name, leaves := range map[string][]int{"all": nil, "one": {0}} {
		t.Run(name, func(t *testing.T) {
			d := newDesktop(t, trust.Partner)
			r := d.record(protocol.Draft{}, indicator(1, "[domain-name:value = 'a.example']"), indicator(2, "[domain-name:value = 'b.example']"))
			d.receive(r)
			check(t, d.Erase(t.Context(), r.ID(), leaves))
			fresh, err := storage.Open("", storage.Options{Memory: true, Network: testNetwork})
			check(t, err)
			t.Cleanup(func() { check(t, fresh.Close()) })
			d.Pipeline.d.Store = fresh
			d.receive(r)
			if n := d.found("a.example"); n != 0 {
				t.Errorf("the erased object is back: %d", n)
			}
			if n := d.found("b.example"); n != len(leaves) {
				t.Errorf("the other object: %d, want %d", n, len(leaves))
			}
		})
	}
}
