package reason

import (
	"fmt"
	"os"
	"strings"
	"testing"
)

// The table of RSN-03, with the blame of RSN-02, is the catalogue, line by line.
func TestSpecHasTheCatalogue(t *testing.T) {
	text, err := os.ReadFile("../../SPEC.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n| code | blame | text |\n|---|---|---|\n")
	table, _, _ := strings.Cut(rest, "\n\n")
	lines := strings.Split(table, "\n")
	for i, e := range All() {
		want := fmt.Sprintf("| `%s` | %s | %s |", e.Code, e.Blame, e.Text)
		if i >= len(lines) || lines[i] != want {
			t.Fatalf("SPEC 15, line %d of the table must be\n%s", i+1, want)
		}
	}
	if len(lines) != len(catalogue) {
		t.Errorf("SPEC 15 has %d codes, the catalogue %d", len(lines), len(catalogue))
	}
}
