package trust

import (
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

const (
	idA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	idB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
	idC = "sha256:cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"
)

// example is the first TOML block of the manual: what is printed there must parse.
func example(t testing.TB) string {
	t.Helper()
	raw, err := os.ReadFile("../../docs/trust-list.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, ok := strings.Cut(string(raw), "```toml\n")
	block, _, closed := strings.Cut(rest, "```")
	if !ok || !closed {
		t.Fatal("docs/trust-list.md has no toml block")
	}
	return block
}

func TestParseManual(t *testing.T) {
	l, err := Parse("trust.toml", []byte(example(t)))
	if err != nil {
		t.Fatal(err)
	}
	partner := Partner
	want := Entry{
		Petname: "CERT-EX", Level: Anchor, Rate: "high", DirectPeer: true, Reason: "bilateral MoU 2026/14",
		Expires: time.Date(2027, 6, 30, 0, 0, 0, 0, time.UTC),
		Scopes: []Scope{
			{Topics: []string{"malicious-code", "intrusions"}, Kinds: []pattern.Type{"ipv4", "ipv6", "domain", "url", "sha256"}, MaxTLPIn: "green", MaxTLPOut: "amber"},
			{Topics: []string{"abusive-content"}, Level: &partner},
		},
		Automation: Automation{Allow: []pattern.Type{"sha256", "domain"}, MaxPerDay: 500},
		Vouch:      &Vouch{Depth: 1, MaxOrgs: 10, LevelCap: Observed, Scopes: []string{"malicious-code"}},
		Verified:   &Verified{How: "in person, eight words", By: []string{"alice", "bob"}, On: time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)},
	}
	var found bool
	for _, e := range l.Entries() {
		if e.Petname != want.Petname {
			continue
		}
		found = true
		want.Org = e.Org
		if !reflect.DeepEqual(e, want) {
			t.Errorf("entry\n%+v\nwant\n%+v", e, want)
		}
	}
	if !found {
		t.Error("CERT-EX is not in the list")
	}
	if len(l.Groups()) < 2 {
		t.Errorf("groups %+v", l.Groups())
	}
	if err := l.Validate(time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC)); err != nil {
		t.Error(err)
	}
}

// org is a sound entry; more is put behind it.
func org(id string, more ...string) string {
	return "[[org]]\nid = \"" + id + "\"\nlevel = \"anchor\"\nexpires = 2027-06-30\n" + strings.Join(more, "\n") + "\n"
}

func TestParseRefuses(t *testing.T) {
	long := strings.Repeat("x", maxPetname+1)
	tests := []struct{ name, file, at, says string }{
		{"unknown key", org(idA, `petnam = "x"`), "5:1", `unknown key "petnam": the keys here are automation, direct_peer, expires`},
		{"unknown key at the top", "version = 42\n", "1:1", `unknown key "version": the keys here are anchors_need_two_approvers, group, org, topics`},
		{"unknown key in a table", org(idA, "[org.vouch]", "  deep = 1"), "6:3", `unknown key "deep"`},
		{"unknown key in an inline table", org(idA, `verified = { how = "x", when = 2026-01-01 }`), "5:25", `unknown key "when"`},
		{"unknown table", org(idA, "[org.wouch]"), "5:6", `unknown key "wouch"`},
		{"unknown key in another case", org(idA, `Petname = "x"`), "5:1", `unknown key "Petname"`},
		{"duplicate key", org(idA, `level = "partner"`), "5:1", "level"},
		{"duplicate table", org(idA, "[org.vouch]", "depth = 1", "[org.vouch]"), "7:", "vouch"},
		{"duplicate organisation", org(idA) + org(idB) + org(idA), "12:1", idA + " is already listed at trust.toml:1:3"},
		{"duplicate petname", org(idA, `petname = "x"`) + org(idB, `petname = "x"`), "10:1", `petname "x" is already borne at trust.toml:1:3`},
		{"short fingerprint", org("sha256:aaaaaaaa"), "2:1", `"sha256:aaaaaaaa" is no full fingerprint: write "sha256:" and 64`},
		{"fingerprint in upper case", org("sha256:" + strings.Repeat("A", 64)), "2:1", "64 lower-case hex digits"},
		{"fingerprint without prefix", org(strings.Repeat("a", 64)), "2:1", "64 lower-case hex digits"},
		{"fingerprint with a letter that is no digit", org("sha256:" + strings.Repeat("g", 64)), "2:1", "64 lower-case hex digits"},
		{"missing id", "[[org]]\nlevel = \"anchor\"\nexpires = 2027-06-30\n", "1:3", "id: missing"},
		{"all-zero id", org("sha256:" + strings.Repeat("0", 64)), "2:1", "id: missing"},
		{"missing expiry", "\n[[org]]\nid = \"" + idA + "\"\nlevel = \"anchor\"\n", "2:3", "expires: missing: write the day"},
		{"missing level", "[[org]]\nid = \"" + idA + "\"\nexpires = 2027-06-30\n", "1:3", "level is missing"},
		{"expiry in quotes", "[[org]]\nexpires = \"2027-06-30\"\n", "2:1", "expires: write a day without quotes and time, like 2027-06-30"},
		{"expiry with time", "[[org]]\nexpires = 2027-06-30T00:00:00Z\n", "2:1", "a day without quotes and time"},
		{"expiry as local date-time", "[[org]]\nexpires = 2027-06-30T00:00:00\n", "2:1", "a day without quotes and time"},
		{"expiry that is no day", "[[org]]\nexpires = 2027-02-30\n", "2:", ""},
		{"expiry in another order", "[[org]]\nexpires = 30-06-2027\n", "2:", ""},
		{"expiry in the year 0", "[[org]]\nid = \"" + idA + "\"\nlevel = \"anchor\"\nexpires = 0000-06-30\n", "4:1", "year"},
		{"unknown level", strings.Replace(org(idA), "anchor", "friend", 1), "3:1", `level "friend": write blocked, observed, partner or anchor`},
		{"level unknown", strings.Replace(org(idA), "anchor", "unknown", 1), "3:1", `level "unknown": write`},
		{"level own", strings.Replace(org(idA), "anchor", "own", 1), "3:1", `level "own": write`},
		{"level in upper case", strings.Replace(org(idA), "anchor", "Anchor", 1), "3:1", `level "Anchor": write`},
		{"level as number", "[[org]]\nlevel = 3\n", "2:1", "level: write a text in quotes"},
		{"country code NO stays what it is", org(idA, "petname = NO"), "5:", ""},
		{"unknown topic", org(idA, "[[org.scope]]", `topics = ["*", "malicous-code"]`), "6:16", `unknown topic "malicous-code": write one of control`},
		{"ill-formed topic", `topics = ["Mine"]`, "1:11", `"Mine" is no topic`},
		{"star among declared topics", `topics = ["*"]`, "1:11", `"*" is no topic`},
		{"no topics", org(idA, "[[org.scope]]", `kinds = ["url"]`), "5:7", "scope.0.topics: missing"},
		{"empty topics", org(idA, "[[org.scope]]", `topics = []`), "6:1", "scope.0.topics: missing"},
		{"topic twice", org(idA, "[[org.scope]]", `topics = ["fraud", "fraud"]`), "6:20", "stands here twice"},
		{"unknown kind", org(idA, "[[org.scope]]", `topics = ["*"]`, `kinds = ["file-hash"]`), "7:10", `"file-hash" is no kind of observable: write ipv4, ipv6`},
		{"text acts on nothing", org(idA, "[org.automation]", `allow = ["url", "text"]`, `max_per_day = 5`), "6:17", "no machine acts on text"},
		{"kind twice", org(idA, "[[org.scope]]", `topics = ["*"]`, `kinds = ["url", "url"]`), "7:17", "stands here twice"},
		{"empty kinds", org(idA, "[[org.scope]]", `topics = ["*"]`, `kinds = []`), "7:1", "kinds is empty"},
		{"scope level own", org(idA, "[[org.scope]]", `topics = ["*"]`, `level = "own"`), "7:1", `level "own": write`},
		{"unknown label", org(idA, "[[org.scope]]", `topics = ["*"]`, `max_tlp_in = "GREEN"`), "7:1", `"GREEN" is no TLP label: write clear`},
		{"empty label", org(idA, "[[org.scope]]", `topics = ["*"]`, `max_tlp_out = ""`), "7:1", "max_tlp_out is empty"},
		{"blocked with scope", strings.Replace(org(idA, "[[org.scope]]", `topics = ["*"]`), "anchor", "blocked", 1), "5:7", "blocked everywhere"},
		{"blocked direct peer", strings.Replace(org(idA, "direct_peer = true"), "anchor", "blocked", 1), "5:1", "cannot be a direct peer"},
		{"automation of an observed", strings.Replace(org(idA, "[org.automation]", `allow = ["url"]`, "max_per_day = 5"), "anchor", "observed", 1), "5:6", "observed organisations trigger nothing"},
		{"automation without kinds", org(idA, "[org.automation]", "max_per_day = 5"), "5:6", "allow is missing"},
		{"automation without limit", org(idA, "[org.automation]", `allow = ["url"]`), "5:6", "automation.max_per_day: 0: write 1"},
		{"automation over the limit", org(idA, "[org.automation]", `allow = ["url"]`, "max_per_day = 1000001"), "7:1", "1000001: write 1 to 1000000"},
		{"automation of no kind", org(idA, "[org.automation]", `allow = ["ip"]`, "max_per_day = 1"), "6:10", `"ip" is no kind`},
		{"vouching partner", strings.Replace(org(idA, "[org.vouch]", "depth = 1"), "anchor", "partner", 1), "5:6", "only an anchor may vouch"},
		{"vouching two steps", org(idA, "[org.vouch]", "depth = 2"), "6:1", "one step and no further"},
		{"vouching for nobody", org(idA, "[org.vouch]", "depth = 1"), "5:6", "vouch.max_orgs: 0: write 1"},
		{"vouching for anchors", org(idA, "[org.vouch]", "depth = 1", "max_orgs = 1", `level_cap = "anchor"`), "8:1", "only a person makes an anchor"},
		{"vouching nowhere", org(idA, "[org.vouch]", "depth = 1", "max_orgs = 1"), "5:6", "vouch.scopes: missing"},
		{"vouching on an unknown topic", org(idA, "[org.vouch]", "depth = 1", "max_orgs = 1", `scopes = ["ioc"]`), "8:11", `unknown topic "ioc"`},
		{"verified without how", org(idA, "[org.verified]", "on = 2026-01-01"), "5:6", "verified.how: missing"},
		{"verified without day", org(idA, "[org.verified]", `how = "call"`), "5:6", "verified.on: missing"},
		{"petname too long", org(idA, `petname = "`+long+`"`), "5:1", "65 characters, limit 64"},
		{"petname with escape", org(idA, `petname = "a\u001bb"`), "5:1", "control character U+001B"},
		{"petname that turns the line around", org(idA, `petname = "a\u202eb"`), "5:1", "control character U+202E"},
		{"petname with a space in front", org(idA, `petname = " a"`), "5:1", "begins or ends with a space"},
		{"unknown rate", org(idA, `rate = "fast"`), "5:1", `"fast" is no rate: write low, normal, high`},
		{"single brackets", "[org]\n", "1:2", "org is a table in double brackets"},
		{"double brackets", org(idA, "[[org.vouch]]"), "5:7", "vouch is a table in single brackets"},
		{"orphan table", "[org.vouch]\n", "1:2", "no [[org]] stands above this table"},
		{"dotted through a list", "org.id = \"x\"\n", "1:1", "org is a table in double brackets, nothing stands below it"},
		{"value as table", org(idA, "[org.level]"), "5:6", "level is no table: write level ="},
		{"list of numbers", "topics = [1]\n", "1:1", "topics: write a list of texts"},
		{"text for a list", "topics = \"a\"\n", "1:1", "topics: write a list of texts"},
		{"approvers as number", "anchors_need_two_approvers = 2\n", "1:1", "anchors_need_two_approvers: write true or false"},
		{"approvers in an entry", org(idA, "anchors_need_two_approvers = true"), "5:1", "unknown key \"anchors_need_two_approvers\""},
		{"bool as text", org(idA, `direct_peer = "yes"`), "5:1", "direct_peer: write true or false"},
		{"number as text", org(idA, "[org.automation]", `max_per_day = "5"`), "6:1", "max_per_day: write a whole number"},
		{"number too large", org(idA, "[org.automation]", `allow = ["url"]`, "max_per_day = 99999999999999999999"), "7:", ""},
		{"table as text", org(idA, `vouch = "x"`), "5:1", "vouch: write a table"},
		{"scopes as text", org(idA, `scope = "x"`), "5:1", "scope: write a table in double brackets"},
		{"list of texts for scopes", org(idA, `scope = ["x"]`), "5:1", "scope: write a table in double brackets"},
		{"group without name", "[[group]]\nupstream = \"x\"\n", "1:3", "name: missing"},
		{"group of nothing", "[[group]]\nname = \"x\"\n", "2:1", "matches nothing"},
		{"group name twice", "[[group]]\nname = \"x\"\nupstream = \"a\"\n[[group]]\nname = \"x\"\nupstream = \"b\"\n", "5:1", `name "x" already stands in the group at trust.toml:2:1`},
		{"upstream in two groups", "[[group]]\nname = \"x\"\nupstream = \"a\"\n[[group]]\nname = \"y\"\nupstream = \"a\"\n", "6:1", `upstream "a" already stands`},
		{"organisation in two groups", "[[group]]\nname = \"x\"\norgs = [\"" + idA + "\"]\n[[group]]\nname = \"y\"\norgs = [\n\"" + idA + "\"]\n", "7:1", "already stands in the group at trust.toml:3:9"},
		{"organisation twice in a group", "[[group]]\nname = \"x\"\norgs = [\"" + idA + "\", \"" + idA + "\"]\n", "3:84", "stands here twice"},
		{"short fingerprint in a group", "[[group]]\nname = \"x\"\norgs = [\"sha256:aa\"]\n", "3:9", "no full fingerprint"},
		{"not TOML", "this is no list\n", "1:", ""},
		{"YAML", "org:\n - id: x\n", "1:", ""},
		{"bad UTF-8", org(idA, "petname = \"\xff\""), "5:", ""},
		{"a NUL", "\x00", "1:", ""},
		{"unclosed text", org(idA, `petname = "x`), "5:", ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Parse("trust.toml", []byte(test.file))
			if reason.Of(err) != reason.TrustFile {
				t.Fatalf("error %v, want one with code trust.file", err)
			}
			if !strings.HasPrefix(err.Error(), "trust.toml:"+test.at) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("error %q, want it at %s with %q", err, test.at, test.says)
			}
		})
	}
}

func TestParseAccepts(t *testing.T) {
	tests := []struct{ name, file string }{
		{"nothing", ""},
		{"a comment", "# only this\n"},
		{"two approvers", "anchors_need_two_approvers = true\n" + org(idA)},
		{"two approvers said no", "anchors_need_two_approvers = false\n" + org(idA)},
		{"inline tables", org(idA, `verified = { how = "call", by = ["eve"], on = 2026-01-01 }`, `scope = [ { topics = ["*"] }, { topics = ["fraud"], level = "blocked" } ]`)},
		{"dotted keys", org(idA, `verified.how = "call"`, "verified.on = 2026-01-01", `automation.allow = ["url"]`, "automation.max_per_day = 1")},
		{"a declared topic", "topics = [\"our-own\"]\n" + org(idA, "[[org.scope]]", `topics = ["our-own"]`)},
		{"an expired entry", strings.Replace(org(idA), "2027", "1999", 1)},
		{"no petname, twice", org(idA) + org(idB)},
		{"petname in any script", org(idA, `petname = "セーフティ \"ネット\" \\ ✓"`)},
		{"petname of the longest", org(idA, `petname = "`+strings.Repeat("ß", maxPetname)+`"`)},
		{"windows line ends", strings.ReplaceAll(org(idA), "\n", "\r\n")},
	}
	for _, test := range tests {
		l, err := Parse("trust.toml", []byte(test.file))
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		sameAfterEncode(t, l)
	}
}

// TestTwoApprovers: what one of two files asks holds, and no command can take it back.
func TestTwoApprovers(t *testing.T) {
	parse := func(raw string) *List { return must(t)(Parse("f", []byte(raw))) }
	plain, strict := parse(org(idA)), parse("anchors_need_two_approvers = true\n"+org(idA))
	if plain.TwoApprovers() || Empty().TwoApprovers() || !strict.TwoApprovers() {
		t.Fatal("approvers are read wrongly")
	}
	if plain.Digest() == strict.Digest() {
		t.Error("the digest does not see approvers")
	}
	if !strings.HasPrefix(string(strict.Encode()), "anchors_need_two_approvers = true\n") || strings.Contains(string(plain.Encode()), "approvers") {
		t.Errorf("encoded as\n%s", strict.Encode())
	}
	for name, l := range map[string]*List{
		"laid over": plain.Merge(strict), "laid under": strict.Merge(plain), "said no above": strict.Merge(parse("anchors_need_two_approvers = false")),
		"with": must(t)(strict.With(entry(1, "x", Anchor))), "without": strict.Without(mustOrg(t, idA)), "with vouches": strict.WithVouches(nil),
	} {
		if !l.TwoApprovers() {
			t.Errorf("%s: lost", name)
		}
	}
}

// sameAfterEncode checks that what Encode writes is the same list.
func sameAfterEncode(t testing.TB, l *List) {
	t.Helper()
	raw := l.Encode()
	again, err := Parse("encoded", raw)
	if err != nil {
		t.Fatalf("encoded list: %v\n%s", err, raw)
	}
	if again.TwoApprovers() != l.TwoApprovers() || !reflect.DeepEqual(again.Entries(), l.Entries()) || !reflect.DeepEqual(again.Groups(), l.Groups()) {
		t.Fatalf("list\n%+v\n%+v\nreads back as\n%+v\n%+v", l.Entries(), l.Groups(), again.Entries(), again.Groups())
	}
	if string(again.Encode()) != string(raw) || again.Digest() != l.Digest() {
		t.Fatalf("encoding is not stable:\n%s\nthen\n%s", raw, again.Encode())
	}
}

func TestParseLimits(t *testing.T) {
	many := func(n int, item string) string { return "[" + strings.Repeat(item+",", n-1) + item + "]" }
	tests := []struct {
		name string
		file string
		ok   bool
	}{
		{"file of the largest size", "#" + strings.Repeat("x", maxFile-1), true},
		{"file one byte larger", "#" + strings.Repeat("x", maxFile), false},
		{"too many of one thing", org(idA, "[[org.scope]]", "topics = "+many(maxItems+1, `"*"`)), false},
		{"brackets without end", "topics = " + strings.Repeat("[", maxFile-100), false},
		{"tables without end", "topics = " + strings.Repeat("{a=", (maxFile-100)/3), false},
	}
	for _, test := range tests {
		start := time.Now()
		_, err := Parse("trust.toml", []byte(test.file))
		if (err == nil) != test.ok {
			t.Errorf("%s: error %.200v", test.name, err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("%s took %s", test.name, took)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(example(f)))
	f.Add([]byte(org(idA, `petname = "x\\\"y"`) + org(idB) + "[[group]]\nname = \"g\"\norgs = [\"" + idC + "\"]\n"))
	f.Add([]byte("topics = [\"a\"]\n" + org(idA, "[[org.scope]]", `topics = ["a"]`)))
	f.Add([]byte("anchors_need_two_approvers = true\n" + org(idA)))
	f.Add([]byte(org(idA, `scope = [{topics=["*"],level="blocked"}]`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		l, err := Parse("f", raw)
		if err != nil {
			if reason.Of(err) != reason.TrustFile || !strings.HasPrefix(err.Error(), "f:") {
				t.Fatalf("error without code or place: %v", err)
			}
			return
		}
		sameAfterEncode(t, l)
		for _, e := range l.Entries() {
			if _, err := Empty().With(e); err != nil {
				t.Fatalf("an entry that Parse takes is refused by With: %v", err)
			}
		}
	})
}

func TestParseLevel(t *testing.T) {
	for _, l := range []Level{Blocked, Observed, Partner, Anchor} {
		if got, err := ParseLevel(l.String()); err != nil || got != l {
			t.Errorf("ParseLevel(%s) = %v, %v", l, got, err)
		}
	}
	for _, s := range []string{"", "unknown", "own", "Anchor", "anchor ", "level 7"} {
		if _, err := ParseLevel(s); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("ParseLevel(%q): %v", s, err)
		}
	}
	if got := Level(7).String(); got != "level 7" {
		t.Errorf("level 7 is %q", got)
	}
	if Own.String() != "own" || Unknown.String() != "unknown" {
		t.Error("names of own and unknown")
	}
}

func mustOrg(t testing.TB, s string) protocol.OrgID {
	t.Helper()
	id, err := protocol.ParseOrgID(s)
	if err != nil {
		t.Fatal(err)
	}
	return id
}
