package reason

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// constants reads the codes from the source, in order: the test must see what a
// developer wrote, not what the catalogue says.
func constants(t *testing.T) []Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "catalogue.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []Code
	ast.Inspect(f, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		typ, _ := spec.Type.(*ast.Ident)
		lit, ok := spec.Values[0].(*ast.BasicLit)
		if typ == nil || typ.Name != "Code" || !ok {
			t.Fatalf("%s is no constant of type Code with a literal value", spec.Names[0].Name)
		}
		s, err := strconv.Unquote(lit.Value)
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, Code(s))
		return true
	})
	if len(codes) < 70 {
		t.Fatalf("only %d constants found", len(codes))
	}
	return codes
}

func TestEveryConstantHasOneEntry(t *testing.T) {
	codes := constants(t)
	count := map[Code]int{}
	for _, e := range All() {
		count[e.Code]++
	}
	for i, code := range codes {
		if count[code] != 1 {
			t.Errorf("%s has %d entries in the catalogue, want 1", code, count[code])
		}
		if i < len(catalogue) && catalogue[i].Code != code {
			t.Errorf("entry %d is %s, want %s: the order of catalogue.go", i, catalogue[i].Code, code)
		}
		delete(count, code)
	}
	for code := range count {
		t.Errorf("entry %s has no constant", code)
	}
}

// RSN-01: the form of a code.
func TestEntriesAreSentences(t *testing.T) {
	dotted := regexp.MustCompile(`^[a-z0-9]+(\.[a-z0-9]+)?$`)
	for _, e := range All() {
		if !dotted.MatchString(string(e.Code)) {
			t.Errorf("%s: not a dotted name", e.Code)
		}
		if e.Blame != BlameSender && e.Blame != BlameUs && e.Blame != BlameNobody {
			t.Errorf("%s: blame %q", e.Code, e.Blame)
		}
		for _, s := range []string{e.Text, e.Fix} {
			if len(s) < 8 || !strings.HasSuffix(s, ".") || strings.ToUpper(s[:1]) != s[:1] || strings.ContainsAny(s, "\n!") || strings.Contains(s, ". ") {
				t.Errorf("%s: %q is not one sentence", e.Code, s)
			}
		}
	}
}

func TestLookup(t *testing.T) {
	for _, e := range All() {
		if got, ok := Lookup(e.Code); !ok || got != e {
			t.Errorf("Lookup(%s) = %+v, %v", e.Code, got, ok)
		}
	}
	for _, code := range []Code{"", "no.such", "SIG.INVALID"} {
		if e, ok := Lookup(code); ok || e != (Entry{}) {
			t.Errorf("Lookup(%q) = %+v", code, e)
		}
	}
	all := All()
	all[0].Text = "spoiled"
	if e, _ := Lookup(all[0].Code); e.Text == "spoiled" {
		t.Error("a caller can change the catalogue")
	}
}

func TestErrorText(t *testing.T) {
	entry, _ := Lookup(BodyHash)
	tests := []struct {
		err  *Error
		want string
	}{
		{New(BodyHash, "open record x"), "open record x [body.hash]"},
		{Wrap(BodyHash, "open record x", io.EOF), "open record x: EOF [body.hash]"},
		{New(BodyHash, ""), entry.Text + " [body.hash]"},
		{New("no.such", ""), " [no.such]"},
	}
	for _, test := range tests {
		if got := test.err.Error(); got != test.want {
			t.Errorf("%q, want %q", got, test.want)
		}
	}
}

func TestOf(t *testing.T) {
	inner := Wrap(BodyHash, "x", io.EOF)
	outer := fmt.Errorf("receive: %w", inner)
	if Of(outer) != BodyHash || Of(io.EOF) != "" || Of(nil) != "" {
		t.Errorf("Of gives %q %q %q", Of(outer), Of(io.EOF), Of(nil))
	}
	if !errors.Is(outer, io.EOF) {
		t.Error("the cause is lost")
	}
}
