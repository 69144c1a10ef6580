package stix

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/protocol/reason"
)

func nest(open, inside, shut string, n int) string {
	return strings.Repeat(open, n) + inside + strings.Repeat(shut, n)
}

func TestScan(t *testing.T) {
	many := func(n int) string { return "[" + strings.Repeat("1,", n-2) + "1]" } // n tokens with the list
	names := func(n int, last string) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `"n%d":1,`, i)
		}
		return "{" + b.String() + `"` + last + `":1}`
	}
	for _, c := range []struct {
		name, in string
		code     reason.Code // "" is accepted
		at       int         // offset in the error
	}{
		// OBJ-01
		{"object", `{"a":[1,2.5,-0,1e5,"x",true,false,null,{}]}`, "", 0},
		{"scalar", ` "x" `, "", 0},
		{"all escapes", `"\"\\\/\b\f\n\r\t\u00e9"`, "", 0},
		{"escaped control", `"\u0000\u001b"`, "", 0},
		{"DEL and C1 bare", "\"\x7f\u0085\"", "", 0},
		{"empty", "", reason.JSONSyntax, 0},
		{"space", "  ", reason.JSONSyntax, 2},
		{"bom", bom + "{}", reason.JSONSyntax, 0},
		{"two values", "{} {}", reason.JSONSyntax, 3},
		{"trailing comma", "[1,]", reason.JSONSyntax, 3},
		{"trailing comma in object", `{"a":1,}`, reason.JSONSyntax, 7},
		{"no colon", `{"a" 1}`, reason.JSONSyntax, 5},
		{"no quotes", `{a:1}`, reason.JSONSyntax, 1},
		{"single quotes", `{'a':1}`, reason.JSONSyntax, 1},
		{"open object", `{"a":1`, reason.JSONSyntax, 6},
		{"open list", `[1`, reason.JSONSyntax, 2},
		{"open string", `"abc`, reason.JSONSyntax, 4},
		{"wrong bracket", `[1}`, reason.JSONSyntax, 2},
		{"bare control", "\"a\nb\"", reason.JSONSyntax, 2},
		{"NUL", "\x00", reason.JSONSyntax, 0},
		{"bad escape", `"\x"`, reason.JSONSyntax, 2},
		{"short escape", `"\u12"`, reason.JSONSyntax, 2},
		{"escape at the end", `"\`, reason.JSONSyntax, 2},
		{"True", `True`, reason.JSONSyntax, 0},
		{"tru", `tru`, reason.JSONSyntax, 0},
		{"NaN", `NaN`, reason.JSONSyntax, 0},
		{"comment", `{} // no`, reason.JSONSyntax, 3},
		{"leading zero", `01`, reason.JSONSyntax, 1},
		{"plus", `+1`, reason.JSONSyntax, 0},
		{"bare minus", `-`, reason.JSONSyntax, 1},
		{"bare fraction", `1.`, reason.JSONSyntax, 2},
		{"no whole part", `.5`, reason.JSONSyntax, 0},
		{"bare exponent", `1e+`, reason.JSONSyntax, 3},
		// OBJ-02
		{"largest", `"` + strings.Repeat("a", 9) + `"` + strings.Repeat(" ", maxBytes-11), "", 0},
		{"too large", "{}" + strings.Repeat(" ", maxBytes-1), reason.JSONSize, maxBytes},
		{"20 MB", `{"a":"` + strings.Repeat("x", 20<<20) + `"}`, reason.JSONSize, maxBytes},
		// OBJ-03
		{"deepest", nest("[", "1", "]", maxDepth), "", 0},
		{"too deep", nest("[", "", "]", maxDepth+1), reason.JSONDepth, maxDepth},
		{"too deep in objects", nest(`{"a":`, "{}", "}", maxDepth), reason.JSONDepth, maxDepth * 5},
		{"20,000 brackets", strings.Repeat("[", 20_000), reason.JSONDepth, maxDepth},
		// OBJ-04
		{"most tokens", many(maxTokens), "", 0},
		{"too many tokens", many(maxTokens + 1), reason.JSONTokens, 2*maxTokens - 1},
		// OBJ-05
		{"longest string", `"` + strings.Repeat("a", maxString) + `"`, "", 0},
		{"too long", `["` + strings.Repeat("a", maxString+1) + `"]`, reason.JSONString, 1},
		{"too long as written", `"` + strings.Repeat(`\n`, maxString/2) + `n"`, reason.JSONString, 0},
		{"too long a name", `{"` + strings.Repeat("a", maxString+1) + `":1}`, reason.JSONString, 1},
		// OBJ-06
		{"twice", `{"a":1,"a":2}`, reason.JSONDuplicate, 7},
		{"twice decoded", `{"a":1,"\u0061":2}`, reason.JSONDuplicate, 7},
		{"twice inside", `[{"b":{"a":1,"c":3,"a":2}}]`, reason.JSONDuplicate, 19},
		{"empty name twice", `{"":1,"":2}`, reason.JSONDuplicate, 6},
		{"case differs", `{"a":1,"A":2}`, "", 0},
		{"in two objects", `[{"a":1},{"a":1}]`, "", 0},
		{"same print, other name", `{"abcdefghijk":1,"abcxxxxhijk":2}`, "", 0},
		{"few names", names(fewNames-1, "x"), "", 0},
		{"few names, twice", names(fewNames-1, "n7"), reason.JSONDuplicate, -1},
		{"many names", names(fewNames, "x"), "", 0},
		{"many names, twice", names(fewNames, `\u006e7`), reason.JSONDuplicate, -1},
		// OBJ-07
		{"utf-8", `"é😀"`, "", 0},
		{"replacement character", "\"\ufffd\"", "", 0},
		{"pair", `"\ud83d\ude00"`, "", 0},
		{"bad byte", "\"\xff\"", reason.JSONUTF8, 1},
		{"cut", "\"\xc3\"", reason.JSONUTF8, 1},
		{"overlong", "\"\xc0\xaf\"", reason.JSONUTF8, 1},
		{"surrogate as UTF-8", "\"\xed\xa0\x80\"", reason.JSONUTF8, 1},
		{"bad byte in a name", "{\"\xff\":1}", reason.JSONUTF8, 2},
		{"high alone", `"\ud83d"`, reason.JSONSurrogate, 1},
		{"low alone", `"x\ude00"`, reason.JSONSurrogate, 2},
		{"high high", `"\ud83d\ud83d\ude00"`, reason.JSONSurrogate, 1},
		{"high and text", `"\ud83dabcdef"`, reason.JSONSurrogate, 1},
		// OBJ-08
		{"largest integer", `[9007199254740991,-9007199254740991]`, "", 0},
		{"2^53", `[9007199254740992]`, reason.JSONNumber, 1},
		{"-2^53", `[-9007199254740992]`, reason.JSONNumber, 1},
		{"beyond 64 bits", `[1, 12345678901234567890123]`, reason.JSONNumber, 4},
		{"largest double", `1.7976931348623157e308`, "", 0},
		{"too large a double", `1e309`, reason.JSONNumber, 0},
		{"too small rounds to zero", `1e-400`, "", 0},
		{"longest number", "0." + strings.Repeat("1", maxNumber-2), "", 0},
		{"too long a number", "0." + strings.Repeat("1", maxNumber-1), reason.JSONNumber, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Scan([]byte(c.in))
			if reason.Of(err) != c.code {
				t.Fatalf("Scan = %v, want code %q", err, c.code)
			}
			if want := fmt.Sprintf("at byte %d:", c.at); c.code != "" && c.at >= 0 && !strings.Contains(err.Error(), want) {
				t.Errorf("Scan = %v, want %q", err, want)
			}
		})
	}
}

// TestHostileInputIsCheap gives the gate and the rules what is made to be slow.
// Quadratic work on these would take minutes, so the bound can be generous.
func TestHostileInputIsCheap(t *testing.T) {
	var names, selectors, nulls strings.Builder
	for i := range 9_900 {
		fmt.Fprintf(&names, `,"name_%d":1`, i)
		fmt.Fprintf(&nulls, `,"name_%d":null`, i)
	}
	for range 6_000 {
		selectors.WriteString(`"labels.[5999]",`)
	}
	head := `{"type":"x-thing","id":"x-thing--8e2e2d2b-17d4-4cbf-938f-98ee46b3cd3f"`
	marks := head + `,"labels":["a"` + strings.Repeat(`,"a"`, 5_999) + `],"granular_markings":[{"lang":"en","selectors":[` +
		strings.TrimSuffix(selectors.String(), ",") + `]}]}`
	for name, in := range map[string]string{
		"names":           head + names.String() + "}",
		"nulls":           head + nulls.String() + "}",
		"selectors":       marks,
		"brackets":        strings.Repeat("[", 1<<20),
		"escaped names":   head + strings.ReplaceAll(names.String(), "name", `\u006eame`) + "}",
		"empty lists":     "[" + strings.Repeat("[],", 9_000) + "[]]",
		"20 MB of digits": strings.Repeat("9", 20<<20),
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			Scan([]byte(in))
			Check([]byte(in))
			ReadBundle([]byte(in))
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
	if _, err := Parse([]byte(marks)); err != nil {
		t.Errorf("selectors into a long list: %v", err)
	}
}

func TestScanAllocatesLittle(t *testing.T) {
	raw := []byte(sampleIndicator)
	if n := testing.AllocsPerRun(100, func() {
		if err := Scan(raw); err != nil {
			t.Fatal(err)
		}
	}); n > 1 {
		t.Errorf("Scan allocates %v times, want 1", n)
	}
}

// reference is what the standard library makes of a document, nil when it is
// no single JSON value.
func reference(raw []byte) (v any, ok bool) {
	dec := json.NewDecoder(bytes.NewReader(raw))
	dec.UseNumber()
	if dec.Decode(&v) != nil {
		return nil, false
	}
	_, err := dec.Token()
	return v, errors.Is(err, io.EOF)
}

// FuzzScan holds the gate against encoding/json. What the gate accepts is JSON
// and decodes to the same; where it refuses JSON it names one of the points in
// which it is stricter.
func FuzzScan(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5,-0,1e5,"x",true,false,null,{}]}`, `"\ud83d\ude00\u0000"`, `{"a":1,"\u0061":2}`, "\"\xff\"", `[9007199254740993]`,
		`1e999`, nest("[", "", "]", 40), sampleIndicator, `"\ud800"`, "{} x", bom + "1", `{"é":"é"}`, `[-0.0E-0]`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		err := Scan(raw)
		want, isJSON := reference(raw)
		if err == nil {
			d, _ := read(raw)
			if got := d.value(root); !isJSON || !reflect.DeepEqual(got, want) {
				t.Fatalf("the gate reads %#v, encoding/json %#v", got, want)
			}
			return
		}
		switch code := reason.Of(err); code {
		case reason.JSONSyntax:
			if isJSON {
				t.Fatalf("the gate finds no JSON: %v", err)
			}
		case reason.JSONDepth, reason.JSONTokens, reason.JSONSize, reason.JSONString, reason.JSONDuplicate,
			reason.JSONUTF8, reason.JSONSurrogate, reason.JSONNumber:
		default:
			t.Fatalf("the gate refuses with code %q", code)
		}
	})
}
