package pattern

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// spellings are pairs of texts that Unicode calls the same.
var spellings = []struct{ composed, other string }{
	{"é", "e\u0301"},
	{"Å", "\u212b"},
	{"각", "\u1100\u1161\u11a8"},
	{"\u0915\u093c", "\u0958"}, // NFC takes this one apart
	{"ạ\u0307", "a\u0307\u0323"},
	{";", "\u037e"},
	{"\u2260", "=\u0338"},
}

// TestMatchComposes compares both spellings under every operator, on either
// side and on both.
func TestMatchComposes(t *testing.T) {
	for _, pair := range spellings {
		for _, literal := range []string{pair.composed, pair.other} {
			for _, seen := range []string{pair.composed, pair.other} {
				for test, want := range map[string]string{
					`= '` + literal + `'`:                        "+",
					`NOT = '` + literal + `'`:                    "-",
					`!= '` + literal + `'`:                       "-",
					`< '` + literal + `'`:                        "-",
					`<= '` + literal + `'`:                       "+",
					`> '` + literal + `'`:                        "-",
					`>= '` + literal + `'`:                       "+",
					`IN ('x', '` + literal + `')`:                "+",
					`NOT IN ('x', '` + literal + `')`:            "-",
					`LIKE '` + literal + `%'`:                    "+",
					`NOT LIKE '` + literal + `'`:                 "-",
					`LIKE '` + literal + `x'`:                    "-",
					`MATCHES '^` + literal + `$'`:                "+",
					`NOT MATCHES '` + literal + `'`:              "-",
					`MATCHES '` + literal + `x'`:                 "-",
					`= '` + literal + literal + `'`:              "-",
					`= t'2026-01-01T00:00:00Z'`:                  "?",
					`ISSUBSET '10.0.0.0/8'`:                      "-",
					`= 5 OR sensor:p = '` + literal + `'`:        "+",
					`= 'x' OR sensor:q[0] = '` + literal + `'`:   "+",
					`= 'x' OR sensor:r.s[*] = '` + literal + `'`: "+",
				} {
					value := strconv.QuoteToASCII(seen)
					object := `{"type":"sensor","p":` + value + `,"q":[` + value + `],"r":{"s":{"t":` + value + `}}}`
					check(t, `[sensor:p `+test+`]`, raw(at(0, object)), want)
				}
			}
		}
	}
	for _, c := range []struct{ value, test, want string }{
		{`"e\u0301"`, `LIKE '_'`, "+"}, {`"e\u0301"`, `LIKE '__'`, "-"}, {`"e\u0301"`, `MATCHES '^.$'`, "+"},
		{`"e\u0301"`, `= 'e'`, "-"}, {`"e\u0301"`, `MATCHES 'e'`, "-"}, {`"e\u0301"`, `> 'f'`, "+"}, {`"e\u0301"`, `= h'e9'`, "+"},
		{`"\ufb01"`, `= 'fi'`, "-"}, // compatibility is not canonical
	} {
		check(t, `[sensor:p `+c.test+`]`, raw(at(0, sensor("p", c.value))), c.want)
	}
}

// TestMatchComposesReferences: objects are found under both spellings.
func TestMatchComposesReferences(t *testing.T) {
	many := strings.Repeat("\u0301", 31)
	for _, c := range []struct{ id, ref, want string }{{"é", "e\u0301", "+"}, {"e\u0301", "é", "+"}, {"e" + many, "e" + many, "+"}, {"e", "é", "?"}} {
		check(t, `[a:b_ref.c = 1]`, raw(`{"type":"observed-data","objects":{"0":{"type":"a","b_ref":"`+c.ref+`"},"`+c.id+`":{"type":"d","c":1}}}`), c.want)
		check(t, `[d:c = 1]`, raw(`{"type":"observed-data","object_refs":["d--`+c.ref+`"]}`, `{"type":"d","id":"d--`+c.id+`","c":1}`), c.want)
	}
}

// TestMatchMarks: what cannot be composed exactly is no match and no mismatch.
func TestMatchMarks(t *testing.T) {
	most, more := "e"+strings.Repeat("\u0301", 30), "e"+strings.Repeat("\u0301", 31)
	for _, op := range []string{`= '%s'`, `!= '%s'`, `< '%s'`, `IN ('x', '%s')`, `NOT IN ('%s')`, `LIKE '%s'`, `NOT LIKE '%s'`, `MATCHES '%s'`, `NOT MATCHES '%s'`} {
		test := func(literal string) string { return `[sensor:p ` + strings.Replace(op, "%s", literal, 1) + `]` }
		check(t, test(more), raw(at(0, sensor("p", `"x"`))), map[bool]string{true: "+", false: "?"}[op == `IN ('x', '%s')`])
		check(t, test("y"), raw(at(0, sensor("p", `"`+more+`"`))), "?")
		check(t, test(most), raw(at(0, sensor("p", `"`+more+`"`))), "?")
		want := "+"
		if strings.HasPrefix(op, "NOT") || op[0] == '!' || op[0] == '<' {
			want = "-"
		}
		check(t, test(most), raw(at(0, sensor("p", `"é`+most[len("e\u0301"):]+`"`))), want)
	}
	check(t, `[EXISTS sensor:p]`, raw(at(0, sensor("p", `"`+more+`"`))), "+")
}

// TestValuesCompose: both spellings are one value.
func TestValuesCompose(t *testing.T) {
	for _, pair := range spellings {
		p, err := Parse(`[process:name IN ('x ` + pair.composed + `', 'x ` + pair.other + `')]`)
		if err != nil {
			t.Fatal(err)
		}
		if values, complete := p.Values(); len(values) != 1 || !complete || values[0].Observable != (Observable{Text, "x " + pair.composed}) {
			t.Errorf("%q and %q: %s", pair.composed, pair.other, show(values))
		}
	}
}

// FuzzCompose: composing again changes nothing, and = and IN and LIKE agree
// that a text is what it was composed to.
func FuzzCompose(f *testing.F) {
	for _, pair := range spellings {
		f.Add(pair.composed)
		f.Add(pair.other)
	}
	for _, s := range []string{"", "plain", "\xffe\u0301", "\u0301", "a" + strings.Repeat("\u0323\u0301", 15), "a" + strings.Repeat("\u0301", 31), "\u034f", "\u1161\u11a8", "\U0001d15e"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		composed, ok := compose(s)
		if !ok && composed != s {
			t.Fatalf("%q is not composed, but came back as %q", s, composed)
		}
		if again, okAgain := compose(composed); again != composed || okAgain != ok {
			t.Fatalf("%q, again: %q", composed, again)
		}
		if !ok || len(s) > MaxExpression/4 || !utf8.ValidString(s) {
			return
		}
		value, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		text := strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(composed)
		check(t, `[sensor:p = '`+text+`']`, raw(at(0, sensor("p", string(value)))), "+")
		check(t, `[sensor:p NOT IN ('`+text+`')]`, raw(at(0, sensor("p", string(value)))), "-")
		check(t, `[sensor:p LIKE '`+text+`']`, raw(at(0, sensor("p", string(value)))), "+")
	})
}

// BenchmarkCompose gives what composing costs by itself, and for ASCII its
// share of normalising the same text (share).
func BenchmarkCompose(b *testing.B) {
	for _, c := range []struct{ name, value string }{
		{"ascii", "powershell.exe -NoProfile -File"}, {"composed", "Rechnung für Müller.docx"}, {"other", "Rechnung fu\u0308r Mu\u0308ller.docx"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				compose(c.value)
			}
			own := b.Elapsed()
			b.StopTimer()
			start := time.Now()
			for range b.N {
				Normalize("process:name", c.value)
			}
			b.ReportMetric(float64(own)/float64(time.Since(start)), "share")
		})
	}
}

// BenchmarkMatch evaluates comparisons of one text, in ASCII and beyond.
func BenchmarkMatch(b *testing.B) {
	for _, c := range []struct{ name, value string }{{"ascii", "invoice.docx"}, {"other", "fu\u0308r.docx"}} {
		p, err := Parse(`[sensor:p = 'x' OR sensor:p LIKE 'y%' OR sensor:p IN ('a', 'b', '` + c.value + `')]`)
		if err != nil {
			b.Fatal(err)
		}
		seen := raw(at(0, sensor("p", `"`+c.value+`"`)))
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if r, why := p.Match(seen); r != Match {
					b.Fatal(r, why)
				}
			}
		})
	}
}
