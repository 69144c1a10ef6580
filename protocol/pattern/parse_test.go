package pattern

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// accepted are patterns of every form that the grammar has.
var accepted = []string{
	`[a:b=1]`,
	`[ipv4-addr:value = '198.51.100.1']`,
	`[x-long_type9:'quoted step'.c[0].d[*].e = 'x']`,
	`[a:b == 1 OR a:b != 2 OR a:b <> 3 OR a:b < 4 OR a:b <= 5 OR a:b > 6 OR a:b >= 7]`,
	`[a:b NOT = 1 AND a:b NOT IN (1, 2.5, -3) AND a:b NOT LIKE '%x_' AND a:b NOT MATCHES '^a+$']`,
	`[a:b NOT ISSUBSET '10.0.0.0/8' AND a:b NOT ISSUPERSET '10.0.0.1']`,
	`[EXISTS a:b AND NOT EXISTS a:c.d]`,
	`[a:b IN ()]`, `[a:b IN ('x')]`, `[a:b IN (true, false, true)]`, `[a:b IN (h'00', b'AA==')]`,
	`[a:b = true]`, `[a:b = -0]`, `[a:b = +5]`, `[a:b = .5]`, `[a:b = -.5]`, `[a:b = 00.5]`, `[a:b = 3.25]`,
	`[a:b = 99999999999999999999999999]`,
	`[a:b = 'it\'s a \\ backslash']`, "[a:b = 'line\nbreak and \x00']", `[a:b = '']`,
	`[a:b = h'']`, `[a:b = h'00ffAB']`, `[a:b = b'']`, `[a:b = b'dGVzdA==']`,
	`[a:b = t'2026-01-31T23:59:60Z']`, `[a:b = t'2026-02-30T00:00:00.123456789012Z']`,
	`[a:b=1]AND[a:b=2]OR[a:b=3]FOLLOWEDBY[a:b=4]`,
	`[a:b=1AND a:c=2]`, // the grammar wants no space between tokens
	`[a:b=1] WITHIN 5 SECONDS`, `[a:b=1] WITHIN .5 SECONDS`, `[a:b=1] WITHIN +2.5 SECONDS`,
	`[a:b=1] REPEATS 5 TIMES WITHIN 1800 SECONDS START t'2026-01-01T00:00:00Z' STOP t'2026-01-02T00:00:00Z'`,
	`(([a:b=1]))`, `([a:b=1] REPEATS 2 TIMES) REPEATS 2 TIMES`, `[((a:b=1))]`,
	"/* one */ [ // two\n a:b /* three * / */ = 1 ] // four",
	"\u3000[\u00a0a:b\u2028=\u20031\u1680]\u0085",
	`[WITHINx:andy = 'AND']`,
	`[file:hashes[*] = '8665c8d477534008b3058b72e2dae8ae']`,
	`[network-traffic:src_port = 37020 AND user-account:user_id = 'root']`,
}

func TestParseAccepts(t *testing.T) {
	for _, src := range accepted {
		if _, err := Parse(src); err != nil {
			t.Errorf("%s: %v", src, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, c := range []struct {
		src    string
		column int
		want   string
	}{
		{``, 1, "expected [ or (, found the end"},
		{`a:b=1`, 1, `expected [ or (, found "a"`},
		{`[]`, 2, "object path"},
		{`[a:b=]`, 6, "a constant after ="},
		{`[a:b 1]`, 6, "an operator"},
		{`[a.b=1]`, 3, ": after the object type"},
		{`[a:=1]`, 4, "a property name"},
		{`[a:b-c=1]`, 4, "put this one in quotes"},
		{`[a:IN=1]`, 4, "put this one in quotes"},
		{`[a:b.=1]`, 6, "a property name"},
		{`[a:b[-1]=1]`, 6, "an index from 0"},
		{`[a:b['x']=1]`, 6, "an index from 0"},
		{`[a:b[99999999999999999999]=1]`, 6, "an index that a list can have"},
		{`[a:b[0=1]`, 7, "expected ]"},
		{`[a:b=1`, 7, "expected ]"},
		{`[a:b=1]]`, 8, "the end"},
		{`([a:b=1]`, 9, "expected )"},
		{`[(a:b=1]`, 8, "expected )"},
		{`[a:b=1] and [a:b=2]`, 9, "AND, OR, FOLLOWEDBY"},
		{`[a:b=1] AND`, 12, "[ or ("},
		{`[a:b=1 AND]`, 11, "object path"},
		{`[a:b=007]`, 6, "leading zero"},
		{`[a:b=1e5]`, 7, "expected ]"},
		{`[a:b=5.]`, 7, "expected ]"},
		{`[a:b=null]`, 6, "a constant"},
		{`[a:b>true]`, 6, "a constant with an order"},
		{`[a:b LIKE 5]`, 11, "a string after LIKE"},
		{`[a:b MATCHES t'2026-01-01T00:00:00Z']`, 14, "a string after MATCHES"},
		{`[a:b ISSUBSET h'00']`, 15, "a string after ISSUBSET"},
		{`[a:b IN 5]`, 9, "expected ("},
		{`[a:b IN (1,)]`, 12, "a constant of the set"},
		{`[a:b IN (1 2)]`, 12, "expected ,"},
		{`[a:b IN (1, true)]`, 13, "of one kind"},
		{`[a:b IN ('x', h'00')]`, 15, "of one kind"},
		{`[NOT a:b=1]`, 6, "NOT goes before the operator"},
		{`[a:b EXISTS]`, 6, "an operator"},
		{`[a:b='x]`, 6, "without its closing quote"},
		{`[a:b='\n']`, 7, `must be \\ or \'`},
		{`[a:b='x\`, 8, `must be \\ or \'`},
		{`[a:b=h'0']`, 6, "pairs of hex digits"},
		{`[a:b=h'0g']`, 6, "pairs of hex digits"},
		{`[a:b=b'====']`, 6, "base64"},
		{`[a:b=b'AAA']`, 6, "base64"},
		{"[a:b=b'AA\nAA']", 6, "base64"},
		{`[a:b=t'2026-13-01T00:00:00Z']`, 6, "a timestamp like"},
		{`[a:b=t'2026-01-01t00:00:00Z']`, 6, "a timestamp like"},
		{`[a:b=t'2026-01-01T00:00:00.Z']`, 6, "a timestamp like"},
		{`[a:b=t'2026-01-01T00:00:00']`, 6, "a timestamp like"},
		{`[a:b=1] WITHIN 0 SECONDS`, 16, "above 0"},
		{`[a:b=1] WITHIN -5 SECONDS`, 16, "above 0"},
		{`[a:b=1] WITHIN 'x' SECONDS`, 16, "a number of seconds"},
		{`[a:b=1] WITHIN 5 HOURS`, 18, "SECONDS"},
		{`[a:b=1] REPEATS 0 TIMES`, 17, "above 0"},
		{`[a:b=1] REPEATS 1.5 TIMES`, 17, "a whole number"},
		{`[a:b=1] REPEATS 5`, 18, "TIMES"},
		{`[a:b=1] START '2026-01-01T00:00:00Z' STOP '2026-01-02T00:00:00Z'`, 15, "STIX 2.0"},
		{`[a:b=1] START t'2026-01-01T00:00:00Z' STOP '2026-01-02T00:00:00Z'`, 44, "STIX 2.0"},
		{`[a:b=1] START t'2026-01-01T00:00:00Z'`, 38, "STOP"},
		{`[a:b=1] /* open`, 9, "closing */"},
		{`[é:b=1]`, 2, "unexpected character 'é'"},
		{`['é':b=1] ?`, 2, "object path"},
		{"[a:b='é'?]", 9, "unexpected character '?'"}, // columns count characters
		{"[a:b='\xff']", 7, "UTF-8"},
		{"\xff", 1, "UTF-8"},
		{`[a:b!1]`, 5, "unexpected character '!'"},
		{`[a:b=-]`, 6, "unexpected character '-'"},
	} {
		_, err := Parse(c.src)
		var refused *reason.Error
		if !errors.As(err, &refused) || refused.Code != reason.PatternSyntax {
			t.Errorf("%q: %v, want a %s", c.src, err, reason.PatternSyntax)
			continue
		}
		column := fmt.Sprintf("column %d: ", c.column)
		if !strings.Contains(refused.Detail, column) || !strings.Contains(refused.Detail, c.want) {
			t.Errorf("%q: %q, want %q and %q", c.src, refused.Detail, column, c.want)
		}
	}
}

// TestParsePrecedence writes the tree back with all its parentheses.
func TestParsePrecedence(t *testing.T) {
	for src, want := range map[string]string{
		`[a:b=1 OR a:c=2 AND a:d=3]`:                              `[(b OR (c AND d))]`,
		`[(a:b=1 OR a:c=2) AND a:d=3]`:                            `[((b OR c) AND d)]`,
		`[a:b=1] OR [a:c=2] AND [a:d=3] FOLLOWEDBY [a:e=4]`:       `(([b] OR ([c] AND [d])) FOLLOWEDBY [e])`,
		`[a:b=1] FOLLOWEDBY [a:c=2] FOLLOWEDBY [a:d=3]`:           `([b] FOLLOWEDBY [c] FOLLOWEDBY [d])`,
		`[a:b=1] AND [a:c=2] WITHIN 5 SECONDS`:                    `([b] AND [c]{WITHIN})`,
		`([a:b=1] AND [a:c=2]) WITHIN 5 SECONDS`:                  `([b] AND [c]){WITHIN}`,
		`[a:b=1] REPEATS 2 TIMES WITHIN 5 SECONDS OR [a:c=2]`:     `([b]{REPEATS}{WITHIN} OR [c])`,
		`[a:b=1] AND ([a:c=2] FOLLOWEDBY [a:d=3] OR [a:e NOT=4])`: `([b] AND ([c] FOLLOWEDBY ([d] OR [NOT e])))`,
	} {
		p, err := Parse(src)
		if err != nil {
			t.Fatalf("%s: %v", src, err)
		}
		if got := showObservation(p.root); got != want {
			t.Errorf("%s: %s, want %s", src, got, want)
		}
	}
}

func showObservation(n *observationNode) string {
	var kids []string
	for _, kid := range n.kids {
		kids = append(kids, showObservation(kid))
	}
	switch n.op {
	case obsLeaf:
		return "[" + showComparison(n.leaf) + "]"
	case obsAnd:
		return "(" + strings.Join(kids, " AND ") + ")"
	case obsOr:
		return "(" + strings.Join(kids, " OR ") + ")"
	case obsFollowedBy:
		return "(" + strings.Join(kids, " FOLLOWEDBY ") + ")"
	case obsWithin:
		return kids[0] + "{WITHIN}"
	case obsRepeats:
		return kids[0] + "{REPEATS}"
	}
	return kids[0] + "{START}"
}

func showComparison(n *comparisonNode) string {
	var kids []string
	for _, kid := range n.kids {
		kids = append(kids, showComparison(kid))
	}
	switch {
	case n.op == cmpAnd:
		return "(" + strings.Join(kids, " AND ") + ")"
	case n.op == cmpOr:
		return "(" + strings.Join(kids, " OR ") + ")"
	case n.not:
		return "NOT " + n.steps[0].key
	}
	return n.steps[0].key
}

func TestParseLimits(t *testing.T) {
	chain := func(n int) string { return "[" + strings.Repeat("a:b=1 OR ", n-1) + "a:b=1]" }
	set := func(n int) string { return "[a:b IN (" + strings.Repeat("1,", n-1) + "1)]" }
	path := func(n int) string { return "[a:b" + strings.Repeat(".c", n-1) + "=1]" }
	round := func(n int) string { return strings.Repeat("(", n-1) + "[a:b=1]" + strings.Repeat(")", n-1) }
	square := func(n int) string { return "[" + strings.Repeat("(", n-1) + "a:b=1" + strings.Repeat(")", n-1) + "]" }
	length := func(n int) string { return "[a:b='" + strings.Repeat("x", n-8) + "']" }
	for _, c := range []struct {
		name  string
		make  func(int) string
		limit int
	}{
		{"comparisons", chain, MaxComparisons},
		{"alternatives", set, MaxAlternatives},
		{"steps", path, MaxSteps},
		{"parentheses", round, MaxDepth},
		{"brackets", square, MaxDepth},
		{"bytes", length, MaxBytes},
	} {
		if _, err := Parse(c.make(c.limit)); err != nil {
			t.Errorf("%s: %d refused: %v", c.name, c.limit, err)
		}
		if _, err := Parse(c.make(c.limit + 1)); reason.Of(err) != reason.PatternLimit {
			t.Errorf("%s: %d gave %v, want %s", c.name, c.limit+1, err, reason.PatternLimit)
		}
	}
	if _, err := Parse(strings.Repeat("(", MaxBytes)); reason.Of(err) != reason.PatternLimit {
		t.Errorf("only parentheses gave %v, want %s", err, reason.PatternLimit)
	}
}

func TestFindings(t *testing.T) {
	for src, want := range map[string]int{
		`[file:hashes.'SHA-256' = 'f00']`:                                             1,
		`[file:hashes.sha256 IN ('f00', 'zz')]`:                                       2,
		`[file:hashes.MD5 = 'cead3f77f6cda6ec00f57d76c9a6879f']`:                      0,
		`[file:hashes.SSDEEP = 'f00']`:                                                0,
		`[file:hashes.MD5 LIKE 'cead%']`:                                              0,
		`[a:b=1] WITHIN 5 SECONDS WITHIN 6 SECONDS`:                                   1,
		`([a:b=1] REPEATS 2 TIMES REPEATS 3 TIMES)`:                                   1,
		`([a:b=1]) WITHIN 5 SECONDS WITHIN 6 SECONDS`:                                 0,
		`[a:b=1] WITHIN 5 SECONDS REPEATS 2 TIMES`:                                    0,
		`[a:b=1] WITHIN 5 SECONDS OR [a:b=1] WITHIN 5 SECONDS`:                        0,
		`[file:hashes.'sha-1' = '4a4b6a1b2c3d4e5f60718293a4b5c6d7e8f90a1b' OR a:b=1]`: 0,
	} {
		p, err := Parse(src)
		if err != nil {
			t.Errorf("%s: %v", src, err)
		} else if got := p.Findings(); len(got) != want {
			t.Errorf("%s: findings %q, want %d", src, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, src := range accepted {
		f.Add(src)
	}
	f.Add(`[a:b='x`)
	f.Add("[a:b = h'0")
	observed := raw(`{"type":"observed-data","number_observed":3,"first_observed":"2026-01-01T00:00:00Z",
		"last_observed":"2026-01-01T00:00:10Z","objects":{"0":{"type":"a","b":1,"c":["x","y"],"d_ref":"1"},"1":{"type":"a","b":"198.51.100.1"}}}`)
	f.Fuzz(func(t *testing.T, src string) {
		p, err := Parse(src)
		if err != nil {
			var refused *reason.Error
			if !errors.As(err, &refused) {
				t.Fatalf("%q: %v is no *reason.Error", src, err)
			}
			return
		}
		values, _ := p.Values()
		for _, v := range values {
			if v.Observable.Value == "" || Normalize("", v.Observable.Value) != v.Observable {
				t.Fatalf("%q: value %v is not in normal form", src, v.Observable)
			}
		}
		if r, why := p.Match(observed); (r == Unknown) != (why != "") {
			t.Fatalf("%q: %v with reason %q", src, r, why)
		}
	})
}
