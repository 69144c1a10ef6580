package pattern

import (
	"slices"
	"strings"
	"testing"
)

// TestSHA3IsNotSHA2: a digest of another algorithm is found under no SHA-2 hash of the same digits, from a pattern or an
// object, so that a list of the one says nothing of the other.
func TestSHA3IsNotSHA2(t *testing.T) {
	digits := strings.Repeat("Ab", 32)
	want := Observable{Text, "sha3-256:" + strings.ToLower(digits)}
	p, err := Parse("[file:hashes.'SHA3-256' = '" + digits + "']")
	if err != nil {
		t.Fatal(err)
	}
	if values, complete := p.Values(); !complete || len(values) != 1 || values[0].Observable != want {
		t.Errorf("of a pattern: %v, %v", values, complete)
	}
	for _, name := range []string{"SHA3-256", "sha3-256", "SHA3256"} {
		if got := FromObservable("file", map[string]any{"hashes": map[string]any{name: digits}}); !slices.Equal(got, []Observable{want}) {
			t.Errorf("of an object, %s: %v", name, got)
		}
	}
	if got := FromObservable("file", map[string]any{"hashes": map[string]any{"SHA-256": digits}}); !slices.Equal(got, []Observable{{SHA256, strings.ToLower(digits)}}) {
		t.Errorf("SHA-256: %v", got)
	}
}
