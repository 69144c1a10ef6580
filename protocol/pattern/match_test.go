package pattern

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// raw turns JSON texts into the input of Match.
func raw(texts ...string) []json.RawMessage {
	var all []json.RawMessage
	for _, s := range texts {
		all = append(all, json.RawMessage(s))
	}
	return all
}

// at is an observed-data object of one sensor object, seen once at a second.
func at(second int, object string) string { return during(second, second, 1, object) }

// during is an observed-data object of one sensor object, seen count times.
func during(first, last, count int, object string) string {
	return fmt.Sprintf(`{"type":"observed-data","number_observed":%d,"first_observed":"2026-01-01T00:00:%02dZ",
		"last_observed":"2026-01-01T00:00:%02dZ","objects":{"0":%s}}`, count, first, last, object)
}

// sensor is an object with one property.
func sensor(property, value string) string {
	return fmt.Sprintf(`{"type":"sensor",%q:%s}`, property, value)
}

// TestMatchOperators compares one property with one operator. + is a match, -
// none, ? unknown.
func TestMatchOperators(t *testing.T) {
	for _, c := range []struct{ value, test, want string }{
		{`5`, `= 5`, "+"}, {`5`, `== 5.0`, "+"}, {`5`, `!= 5`, "-"}, {`5`, `<> 6`, "+"}, {`5`, `NOT = 5`, "-"},
		{`5`, `< 5.5`, "+"}, {`5`, `<= 5`, "+"}, {`5`, `> 5`, "-"}, {`5`, `>= 5`, "+"}, {`5`, `NOT > 5`, "+"},
		{`9007199254740993`, `= 9007199254740992`, "-"}, {`1.5`, `> 1`, "+"}, {`1e3`, `= 1000`, "+"},
		{`5`, `= '5'`, "-"}, {`5`, `!= '5'`, "+"}, {`5`, `< '6'`, "-"}, {`5`, `NOT < '6'`, "-"}, {`5`, `= true`, "-"},
		{`true`, `= true`, "+"}, {`true`, `= 1`, "-"}, {`true`, `!= false`, "+"}, {`true`, `IN (1, 2)`, "-"},
		{`null`, `= 'x'`, "-"}, {`null`, `!= 'x'`, "+"}, {`null`, `LIKE '%'`, "-"}, {`[1]`, `= 1`, "-"}, {`{"x":1}`, `= 1`, "-"},
		{`"b"`, `= 'b'`, "+"}, {`"b"`, `= 'B'`, "-"}, {`"b"`, `> 'a'`, "+"}, {`"b"`, `< 'a'`, "-"}, {`"é"`, `> 'z'`, "+"},
		{`"b"`, `IN ('a', 'b')`, "+"}, {`"b"`, `NOT IN ('a', 'b')`, "-"}, {`"b"`, `IN ()`, "-"}, {`"b"`, `NOT IN ()`, "+"},
		{`2`, `IN (1, 2.0)`, "+"}, {`2`, `NOT IN ('a')`, "+"},
		{`"a.b"`, `LIKE 'a.b'`, "+"}, {`"axb"`, `LIKE 'a.b'`, "-"}, {`"axb"`, `LIKE 'a_b'`, "+"}, {`"aéb"`, `LIKE 'a_b'`, "+"},
		{`"ab"`, `LIKE 'a%b'`, "+"}, {`"axxbxb"`, `LIKE 'a%b'`, "+"}, {`"axxbxc"`, `LIKE 'a%b'`, "-"}, {`""`, `LIKE '%%'`, "+"},
		{`"abcabd"`, `LIKE '%ab_'`, "+"}, {`"abc"`, `LIKE '_'`, "-"}, {`"a%c"`, `LIKE 'a%'`, "+"}, {`"ABC"`, `LIKE 'a%'`, "-"},
		{`"x\ny"`, `LIKE 'x%y'`, "+"}, {`5`, `LIKE '5'`, "-"}, {`5`, `NOT LIKE '5'`, "+"},
		{`"hello"`, `MATCHES 'l+'`, "+"}, {`"hello"`, `MATCHES '^l'`, "-"}, {`"hello"`, `NOT MATCHES '^l'`, "+"},
		{`"hello"`, `MATCHES ''`, "+"}, {`"hello"`, `MATCHES '(?=h)'`, "?"}, {`"hello"`, `NOT MATCHES '(?=h)'`, "?"},
		{`"hello"`, `MATCHES '(l)\\1'`, "?"}, {`"hello"`, `MATCHES 'l{2}'`, "+"}, {`"hello"`, `MATCHES '('`, "?"},
		{`"foo\n"`, `MATCHES 'foo$'`, "?"}, {`"foo\n"`, `MATCHES 'foo'`, "+"}, {`5`, `MATCHES '5'`, "-"}, {`5`, `NOT MATCHES '5'`, "+"},
		{`"x"`, `MATCHES 'x{100}'`, "-"}, {`"x"`, `MATCHES 'x{101}'`, "?"}, {`"x"`, `MATCHES '(x{11}){10}'`, "?"}, {`"x"`, `MATCHES '(x{10}y?){10}'`, "-"},
		{`"e\u0301"`, `LIKE 'é'`, "+"}, {`"e\u0301"`, `MATCHES '^é$'`, "+"}, {`"日本"`, `LIKE '日%'`, "+"}, {`"日本"`, `LIKE '本%'`, "-"},
		{`"10.1.2.3"`, `ISSUBSET '10.0.0.0/8'`, "+"}, {`"10.1.2.3"`, `ISSUBSET '11.0.0.0/8'`, "-"}, {`"10.1.2.3"`, `ISSUBSET '10.1.2.3'`, "+"},
		{`"10.1.0.0/16"`, `ISSUBSET '10.0.0.0/8'`, "+"}, {`"10.0.0.0/7"`, `ISSUBSET '10.0.0.0/8'`, "-"}, {`"0x0a.1.2.3"`, `ISSUBSET '10.0.0.0/8'`, "+"},
		{`"::ffff:10.1.2.3"`, `ISSUBSET '10.0.0.0/8'`, "+"}, {`"2001:db8::1"`, `ISSUBSET '2001:db8::/32'`, "+"}, {`"2001:db9::1"`, `ISSUBSET '2001:db8::/32'`, "-"},
		{`"10.1.2.3"`, `ISSUBSET '2001:db8::/32'`, "-"}, {`"host"`, `ISSUBSET '10.0.0.0/8'`, "-"}, {`"host"`, `NOT ISSUBSET '10.0.0.0/8'`, "+"},
		{`"10.1.2.3"`, `ISSUBSET 'x'`, "?"}, {`5`, `ISSUBSET 'x'`, "-"}, {`"1.2.3.4"`, `ISSUBSET '0.0.0.0/0'`, "+"},
		{`"10.0.0.0/8"`, `ISSUPERSET '10.1.2.3'`, "+"}, {`"10.0.0.0/8"`, `ISSUPERSET '10.0.0.0/7'`, "-"}, {`"10.0.0.0/8"`, `NOT ISSUPERSET '11.1.2.3'`, "+"},
		{`"10.0.0.0/8"`, `ISSUPERSET 'x/8'`, "?"}, {`"2001:db8::/32"`, `ISSUPERSET '2001:db8:1::/48'`, "+"},
		{`"2026-01-01T00:00:00.000Z"`, `= t'2026-01-01T00:00:00Z'`, "+"}, {`"2026-01-01T00:00:00Z"`, `< t'2026-01-01T00:00:00.000000001Z'`, "+"},
		{`"2026-01-01T00:00:00Z"`, `IN (t'2025-01-01T00:00:00Z', t'2026-01-01T00:00:00Z')`, "+"}, {`"x"`, `= t'2026-01-01T00:00:00Z'`, "?"},
		{`"2026-01-01T00:00:00z"`, `!= t'2026-01-01T00:00:00Z'`, "?"}, {`"2026-03-02T00:00:00Z"`, `= t'2026-02-30T00:00:00Z'`, "?"},
		{`"2016-12-31T23:59:60Z"`, `= t'2017-01-01T00:00:00Z'`, "+"}, {`5`, `= t'2026-01-01T00:00:00Z'`, "-"},
		{`"alice"`, `= h'616c696365'`, "+"}, {`"alice"`, `= b'YWxpY2U='`, "+"}, {`"\u00ff"`, `= h'ff'`, "+"}, {`"\u0103"`, `= h'03'`, "-"},
		{`"\u0103"`, `< h'03'`, "-"}, {`"\u0103"`, `!= h'03'`, "+"}, {`"b"`, `> h'61'`, "+"},
	} {
		p, err := Parse(`[sensor:p ` + c.test + `]`)
		if err != nil {
			t.Errorf("%s: %v", c.test, err)
			continue
		}
		r, why := p.Match(raw(at(0, sensor("p", c.value))))
		if got := symbol(r); got != c.want || (r == Unknown) != (why != "") {
			t.Errorf("%s against %s: %s (%s), want %s", c.value, c.test, got, why, c.want)
		}
	}
}

func symbol(r Result) string { return map[Result]string{Match: "+", NoMatch: "-", Unknown: "?"}[r] }

// TestMatchPaths walks through one observation of several objects.
func TestMatchPaths(t *testing.T) {
	container := `{"type":"observed-data","objects":{
		"0":{"type":"file","name":"a.exe","hashes":{"SHA-256":"aa","MD5":"bb"},"parent_directory_ref":"1","gone_ref":"9","magic_hex":"ffd8","bad_hex":"zz",
			"content_bin":"AQID","extensions":{"pe":{"sections":[{"entropy":1.5},{"entropy":7.5}]}}},
		"1":{"type":"directory","path":"C:\\","contains_refs":["0","2"]},
		"2":{"type":"file","name":"b.exe","size":10}}}`
	for src, want := range map[string]string{
		`[file:name = 'a.exe']`:                                                                        "+",
		`[file:name = 'a.exe' AND file:size = 10]`:                                                     "-", // no one file has both
		`[file:name = 'b.exe' AND file:size = 10]`:                                                     "+",
		`[file:name = 'a.exe' OR file:size = 11]`:                                                      "+",
		`[(file:name = 'x' OR file:size = 10) AND file:name LIKE 'b%']`:                                "+",
		`[directory:name = 'a.exe']`:                                                                   "-",
		`[file:hashes.'SHA-256' = 'aa']`:                                                               "+",
		`[file:hashes[*] = 'bb']`:                                                                      "+",
		`[file:hashes[0] = 'bb']`:                                                                      "-",
		`[file:parent_directory_ref.path = 'C:\\']`:                                                    "+",
		`[file:parent_directory_ref.path = 'D:\\']`:                                                    "-",
		`[file:parent_directory_ref = '1']`:                                                            "+",
		`[file:gone_ref.path = 'x']`:                                                                   "?",
		`[file:gone_ref.path = 'x' OR file:name = 'a.exe']`:                                            "+",
		`[file:gone_ref.path = 'x' AND file:name = 'nope']`:                                            "-",
		`[directory:contains_refs[*].name = 'b.exe']`:                                                  "+",
		`[directory:contains_refs[0].name = 'b.exe']`:                                                  "-",
		`[directory:contains_refs[7].name = 'b.exe']`:                                                  "-",
		`[file:parent_directory_ref.contains_refs[*].parent_directory_ref.contains_refs[1].size = 10]`: "+",
		`[file:extensions.pe.sections[*].entropy > 7.0]`:                                               "+",
		`[file:extensions.pe.sections[0].entropy > 7.0]`:                                               "-",
		`[file:magic_hex = h'ffd8']`:                                                                   "+",
		`[file:magic_hex MATCHES '^\\xff']`:                                                            "+",
		`[file:magic_hex LIKE '%x']`:                                                                   "-",
		`[file:content_bin = h'010203']`:                                                               "+",
		`[file:content_bin = '` + "\x01\x02\x03" + `']`:                                                "+",
		`[file:bad_hex = h'00']`:                                                                       "?",
		`[EXISTS file:size]`:                                                                           "+",
		`[EXISTS file:nothing]`:                                                                        "-",
		`[NOT EXISTS directory:path]`:                                                                  "-",
		`[NOT EXISTS file:size]`:                                                                       "+",
		`[EXISTS file:gone_ref.path]`:                                                                  "?",
		`[file:name = 'a.exe' AND directory:path = 'C:\\']`:                                            "?",
		`[url:value = 'x']`:                                                                            "-",
	} {
		check(t, src, raw(container), want)
	}
}

func check(t *testing.T, src string, seen []json.RawMessage, want string) {
	t.Helper()
	p, err := Parse(src)
	if err != nil {
		t.Errorf("%s: %v", src, err)
		return
	}
	r, why := p.Match(seen)
	if got := symbol(r); got != want || (r == Unknown) != (why != "") {
		t.Errorf("%s: %s (%s), want %s", src, got, why, want)
	}
}

// TestMatchForms gives the same observation in every form it may come in.
func TestMatchForms(t *testing.T) {
	address := `{"type":"ipv4-addr","id":"ipv4-addr--1","value":"198.51.100.1"}`
	other := `{"type":"ipv4-addr","id":"ipv4-addr--2","value":"198.51.100.2"}`
	observed := `{"type":"observed-data","id":"observed-data--1","number_observed":1,"first_observed":"2026-01-01T00:00:00Z",
		"last_observed":"2026-01-01T00:00:00Z","object_refs":["ipv4-addr--1"]}`
	bundle := `{"type":"bundle","objects":[` + observed + `,` + address + `,` + other + `]}`
	src := `[ipv4-addr:value = '198.51.100.1']`
	check(t, src, raw(bundle), "+")
	check(t, src, raw(observed, address), "+")
	check(t, src, raw(address), "+")
	check(t, src, raw(at(0, address)), "+")
	check(t, src, raw(observed), "?") // the address is not at hand
	check(t, src, raw(), "-")
	check(t, `[file:name = 'x']`, raw(observed), "-")
	check(t, `[ipv4-addr:value = '198.51.100.2']`, raw(bundle), "-") // nobody observed it
	check(t, src+` WITHIN 5 SECONDS`, raw(address), "+")
	check(t, `(`+src+` AND [ipv4-addr:value = '198.51.100.2']) WITHIN 5 SECONDS`, raw(address, other), "-") // one observation, not two
	check(t, src+` START t'2026-01-01T00:00:00Z' STOP t'2026-01-01T00:00:01Z'`, raw(address), "?")
	for _, bad := range []string{`{`, `[]`, `5`, `{"type":"bundle","objects":[5]}`, `{"type":"bundle","objects":[{"type":"bundle"}]}`,
		`{"type":"observed-data","number_observed":0}`, `{"type":"observed-data","number_observed":"1"}`,
		`{"type":"observed-data","first_observed":"x","last_observed":"y"}`,
		`{"type":"observed-data","first_observed":"2026-01-01T00:00:01Z","last_observed":"2026-01-01T00:00:00Z"}`} {
		check(t, src, raw(bad), "?")
	}
}

// TestMatchSeveral matches patterns over several observations.
func TestMatchSeveral(t *testing.T) {
	a, b, c := sensor("n", `"a"`), sensor("n", `"b"`), sensor("n", `"c"`)
	A, B, C, any := `[sensor:n='a']`, `[sensor:n='b']`, `[sensor:n='c']`, `[EXISTS sensor:n]`
	three := raw(at(0, a), at(5, b), at(9, c))
	twice := raw(during(0, 10, 2, a))
	for _, k := range []struct {
		seen      []json.RawMessage
		src, want string
	}{
		{three, A + ` AND ` + B, "+"}, {three, A + ` AND ` + A, "-"}, {three, A + ` OR [sensor:n='z']`, "+"},
		{three, A + ` AND [sensor:n='z']`, "-"}, {three, any + ` AND ` + any + ` AND ` + any, "+"},
		{three, any + ` AND ` + any + ` AND ` + any + ` AND ` + any, "-"},
		{three, A + ` FOLLOWEDBY ` + B, "+"}, {three, B + ` FOLLOWEDBY ` + A, "-"}, {three, A + ` FOLLOWEDBY ` + B + ` FOLLOWEDBY ` + C, "+"},
		{three, A + ` FOLLOWEDBY (` + C + ` AND ` + B + `)`, "+"}, {three, `(` + A + ` AND ` + C + `) FOLLOWEDBY ` + B, "-"},
		{three, `(` + A + ` AND ` + B + `) WITHIN 5 SECONDS`, "+"}, {three, `(` + A + ` AND ` + B + `) WITHIN 4.999 SECONDS`, "-"},
		{three, `(` + A + ` FOLLOWEDBY ` + B + ` FOLLOWEDBY ` + C + `) WITHIN 9 SECONDS`, "+"},
		{three, `(` + A + ` AND ` + B + `) WITHIN 5 SECONDS AND ` + C, "+"},
		{three, any + ` REPEATS 3 TIMES`, "+"}, {three, any + ` REPEATS 4 TIMES`, "-"}, {three, any + ` REPEATS 2 TIMES REPEATS 2 TIMES`, "-"},
		{three, any + ` REPEATS 3 TIMES WITHIN 9 SECONDS`, "+"}, {three, any + ` REPEATS 3 TIMES WITHIN 8 SECONDS`, "-"},
		{three, any + ` REPEATS 2 TIMES WITHIN 4 SECONDS`, "+"}, {three, any + ` REPEATS 99999999999999999999 TIMES`, "-"},
		{three, `(` + A + ` OR ` + B + `) REPEATS 2 TIMES`, "+"}, {three, `(` + A + ` OR ` + B + `) REPEATS 3 TIMES`, "-"},
		{three, `(` + A + ` AND ` + B + ` OR ` + C + `) REPEATS 2 TIMES`, "+"},
		{three, A + ` START t'2026-01-01T00:00:00Z' STOP t'2026-01-01T00:00:01Z'`, "+"},
		{three, B + ` START t'2026-01-01T00:00:00Z' STOP t'2026-01-01T00:00:05Z'`, "-"}, // STOP is outside
		{three, B + ` START t'2026-01-01T00:00:05Z' STOP t'2026-01-01T00:00:05.000000001Z'`, "+"},
		{three, B + ` START t'2026-01-01T00:00:06Z' STOP t'2026-01-01T00:00:05Z'`, "-"},
		{three, B + ` START t'2026-02-30T00:00:00Z' STOP t'2026-03-05T00:00:00Z'`, "?"},
		{three, `(` + A + ` AND ` + B + `) START t'2026-01-01T00:00:00Z' STOP t'2026-01-01T00:00:04Z'`, "-"},
		{three, `(` + A + ` OR ` + B + `) START t'2026-01-01T00:00:05Z' STOP t'2026-01-01T00:00:06Z'`, "+"},
		{twice, A + ` AND ` + A, "+"}, {twice, A + ` REPEATS 2 TIMES`, "+"}, {twice, A + ` REPEATS 3 TIMES`, "-"},
		{twice, A + ` FOLLOWEDBY ` + A, "+"}, {twice, A + ` REPEATS 2 TIMES WITHIN 1 SECONDS`, "+"},
		{raw(during(0, 5, 1, a), during(3, 9, 1, b)), B + ` FOLLOWEDBY ` + A, "+"}, // their times overlap
		{raw(during(0, 5, 1, a), during(6, 9, 1, b)), B + ` FOLLOWEDBY ` + A, "-"},
		// Each qualifier holds by itself, but no times satisfy both.
		{raw(during(0, 9, 1, a), during(0, 4, 1, b)),
			A + ` START t'2026-01-01T00:00:05Z' STOP t'2026-01-01T00:00:09Z' FOLLOWEDBY ` + B, "-"},
		{raw(at(0, a), `{"type":"observed-data","objects":{"0":`+b+`}}`), A + ` FOLLOWEDBY ` + B, "?"}, // b has no time
		{raw(at(0, a), `{"type":"observed-data","objects":{"0":`+b+`}}`), A + ` AND ` + B, "+"},
		{three, `([sensor:n MATCHES '(?=a)'] AND ` + B + `)`, "?"}, {three, `([sensor:n MATCHES '(?=a)'] AND [sensor:n='z'])`, "-"},
		{three, `[sensor:n MATCHES '(?=a)'] OR ` + B, "+"},
	} {
		check(t, k.src, k.seen, k.want)
	}
}

// TestMatchLimits holds the search to its bounds: Unknown, and soon.
func TestMatchLimits(t *testing.T) {
	var many []string
	for i := range MaxObservations {
		many = append(many, at(i%60, sensor("n", `"a"`)))
	}
	A := `[sensor:n='a']`
	check(t, A, raw(many...), "+")
	check(t, A, raw(append(many, many[0])...), "?")
	check(t, A+fmt.Sprintf(` REPEATS %d TIMES`, maxSlots), raw(many...), "+")
	check(t, A+fmt.Sprintf(` REPEATS %d TIMES`, maxSlots+1), raw(many...), "?")
	ways := `(` + A + ` AND ` + A + ` OR ` + A + ` WITHIN 1 SECONDS AND ` + A + `)`
	check(t, strings.Repeat(ways+` AND `, 12)+A, raw(many[:5]...), "?")

	circle := `{"type":"observed-data","objects":{"0":{"type":"x","y_refs":["0","1"]},"1":{"type":"x","y_refs":["0","1"]}}}`
	check(t, `[x:`+strings.Repeat(`y_refs[*].`, 15)+`z = 1]`, raw(circle), "-")
	wide := `{"type":"observed-data","objects":{"0":{"type":"x","y_refs":[` + strings.Repeat(`"0",`, 300) + `"0"]}}}`
	check(t, `[x:`+strings.Repeat(`y_refs[*].`, 15)+`z = 1]`, raw(wide), "?")

	long := strings.Repeat("x", MaxExpression)
	check(t, `[sensor:n LIKE '`+long+`']`, raw(at(0, sensor("n", `"a"`))), "-")
	check(t, `[sensor:n LIKE '`+long+`x']`, raw(at(0, sensor("n", `"a"`))), "?")
	check(t, `[sensor:n MATCHES '`+long+`']`, raw(at(0, sensor("n", `"a"`))), "-")
	check(t, `[sensor:n MATCHES '`+long+`x']`, raw(at(0, sensor("n", `"a"`))), "?")
}
