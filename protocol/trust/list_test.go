package trust

import (
	"reflect"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/pattern"
	"tocsin/protocol/reason"
)

func entry(n int, petname string, level Level) Entry {
	return Entry{Org: orgID(n), Petname: petname, Level: level, Expires: epoch.AddDate(0, 6, 0)}
}

func must(t testing.TB) func(l *List, err error) *List {
	return func(l *List, err error) *List {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
}

func TestLevel(t *testing.T) {
	partner, blocked := Partner, Blocked
	scoped := entry(2, "scoped", Anchor)
	scoped.Scopes = []Scope{
		{Topics: []string{"fraud"}, Level: &blocked},
		{Topics: []string{"malicious-code"}, Kinds: []pattern.Type{pattern.Domain}},
		{Topics: []string{"malicious-code", "other"}, Level: &partner},
	}
	star := entry(3, "star", Partner)
	star.Scopes = []Scope{{Topics: []string{"*"}, Kinds: []pattern.Type{pattern.SHA256}}}
	blockedScoped := entry(5, "observed, blocked for fraud", Observed)
	blockedScoped.Scopes = []Scope{{Topics: []string{"fraud"}, Level: &blocked}}
	l := Empty()
	for _, e := range []Entry{entry(1, "anchor", Anchor), scoped, star, entry(4, "blocked", Blocked), blockedScoped, entry(6, "partner", Partner), entry(7, "observed", Observed)} {
		l = must(t)(l.With(e))
	}
	lastDay := time.Date(2026, 12, 1, 23, 59, 59, 999, time.UTC)
	after := time.Date(2026, 12, 2, 0, 0, 0, 0, time.UTC)
	tests := []struct {
		name  string
		org   int
		topic string
		kind  pattern.Type
		now   time.Time
		want  Level
	}{
		{"unlisted", 99, "fraud", pattern.Domain, epoch, Unknown},
		{"anchor", 1, "fraud", pattern.Domain, epoch, Anchor},
		{"anchor on its last day", 1, "", "", lastDay, Anchor},
		{"anchor expired", 1, "", "", after, Observed},
		{"partner expired", 6, "", "", after, Observed},
		{"observed expired", 7, "", "", after, Unknown},
		{"blocked expired", 4, "", "", after, Blocked},
		{"first scope wins", 2, "fraud", pattern.Domain, epoch, Blocked},
		{"a scope blocks for ever", 2, "fraud", pattern.Domain, after, Blocked},
		{"scope without level keeps the entry's", 2, "malicious-code", pattern.Domain, epoch, Anchor},
		{"next scope for other kinds", 2, "malicious-code", pattern.URL, epoch, Partner},
		{"second topic of a scope", 2, "other", pattern.URL, epoch, Partner},
		{"scoped and expired", 2, "other", pattern.URL, after, Observed},
		{"no scope matches: observed", 2, "intrusions", pattern.URL, epoch, Observed},
		{"no scope matches, expired", 2, "intrusions", pattern.URL, after, Unknown},
		{"star", 3, "intrusions", pattern.SHA256, epoch, Partner},
		{"star, another kind", 3, "intrusions", pattern.URL, epoch, Observed},
		{"any topic", 3, "", pattern.SHA256, epoch, Partner},
		{"any kind", 3, "fraud", "", epoch, Partner},
		{"any of both takes the first scope", 2, "", "", epoch, Blocked},
		{"blocked in one topic", 5, "fraud", pattern.URL, epoch, Blocked},
		{"observed elsewhere", 5, "other", pattern.URL, epoch, Observed},
	}
	for _, test := range tests {
		if got := l.Level(orgID(test.org), test.topic, test.kind, test.now); got != test.want {
			t.Errorf("%s: %s, want %s", test.name, got, test.want)
		}
	}
}

func TestWithAndWithout(t *testing.T) {
	a := must(t)(Empty().With(entry(1, "a", Anchor)))
	b := must(t)(a.With(entry(2, "b", Partner)))
	changed := must(t)(b.With(entry(1, "a2", Observed)))
	if len(a.Entries()) != 1 || len(b.Entries()) != 2 || len(changed.Entries()) != 2 {
		t.Fatalf("sizes %d %d %d", len(a.Entries()), len(b.Entries()), len(changed.Entries()))
	}
	if e, ok := b.Entry(orgID(1)); !ok || e.Petname != "a" {
		t.Errorf("With changed the list it was called on: %+v", e)
	}
	if e, _ := changed.Entry(orgID(1)); e.Petname != "a2" || e.Level != Observed || changed.Petname(orgID(1)) != "a2" {
		t.Errorf("changed entry %+v", e)
	}
	gone := changed.Without(orgID(1))
	if _, ok := gone.Entry(orgID(1)); ok || len(gone.Entries()) != 1 || gone.Petname(orgID(1)) != "" {
		t.Errorf("still there: %+v", gone.Entries())
	}
	if gone.Without(orgID(77)).Digest() != gone.Digest() {
		t.Error("taking out what is not there changes the list")
	}
	if _, err := changed.With(entry(3, "b", Partner)); reason.Of(err) != reason.Conflict {
		t.Errorf("petname of another: %v", err)
	}
	if _, err := changed.With(entry(2, "b", Anchor)); err != nil {
		t.Errorf("own petname again: %v", err)
	}
	for name, e := range map[string]Entry{
		"unknown": entry(3, "c", Unknown), "own": entry(3, "c", Own), "no org": {Level: Partner, Expires: epoch}, "no expiry": {Org: orgID(3), Level: Partner},
		"far year": {Org: orgID(3), Level: Partner, Expires: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)},
	} {
		if _, err := Empty().With(e); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestListSharesNoMemory(t *testing.T) {
	level := Partner
	e := entry(1, "a", Anchor)
	e.Scopes = []Scope{{Topics: []string{"fraud"}, Kinds: []pattern.Type{pattern.URL}, Level: &level}}
	e.Vouch = &Vouch{Depth: 1, MaxOrgs: 1, LevelCap: Observed, Scopes: []string{"fraud"}}
	e.Verified = &Verified{How: "call", By: []string{"eve"}, On: epoch}
	e.Automation = Automation{Allow: []pattern.Type{pattern.URL}, MaxPerDay: 1}
	l := must(t)(Empty().With(e))
	digest := l.Digest()
	spoil := func(e Entry) {
		e.Scopes[0].Topics[0], e.Scopes[0].Kinds[0], *e.Scopes[0].Level = "x", "x", Blocked
		e.Vouch.MaxOrgs, e.Vouch.Scopes[0], e.Verified.By[0], e.Automation.Allow[0] = 9, "x", "x", "x"
	}
	spoil(e)
	spoil(l.Entries()[0])
	got, _ := l.Entry(orgID(1))
	spoil(got)
	if l.Digest() != digest {
		t.Error("a caller can change a list")
	}
	sameAfterEncode(t, l)
}

func TestMerge(t *testing.T) {
	operator, err := Parse("a.toml", []byte(org(idA, `petname = "a"`)+org(idB)+
		"[[group]]\nname = \"g\"\nupstream = \"feed:1\"\n[[group]]\nname = \"h\"\norgs = [\""+idA+"\"]\n"))
	if err != nil {
		t.Fatal(err)
	}
	over, err := Parse("b.toml", []byte(strings.Replace(org(idB, `petname = "b"`), "anchor", "blocked", 1)+org(idC)+
		"[[group]]\nname = \"g\"\nupstream = \"feed:2\"\n"))
	if err != nil {
		t.Fatal(err)
	}
	merged := operator.Merge(over)
	if got := len(merged.Entries()); got != 3 {
		t.Errorf("%d entries", got)
	}
	if e, _ := merged.Entry(mustOrg(t, idB)); e.Level != Blocked || e.Petname != "b" {
		t.Errorf("over's entry does not stand: %+v", e)
	}
	want := []GroupRule{{Name: "g", Upstream: "feed:2"}, {Name: "h", Orgs: []protocol.OrgID{mustOrg(t, idA)}}}
	if got := merged.Groups(); !reflect.DeepEqual(got, want) {
		t.Errorf("groups %+v", got)
	}
	if len(operator.Entries()) != 2 || len(over.Entries()) != 2 {
		t.Error("Merge changed its operands")
	}
	if Empty().Merge(operator).Digest() != operator.Digest() || operator.Merge(Empty()).Digest() != operator.Digest() {
		t.Error("merging nothing changes something")
	}
}

func TestValidate(t *testing.T) {
	expires := time.Date(2027, 6, 1, 0, 0, 0, 0, time.UTC)
	e := entry(1, "a", Anchor)
	e.Expires = expires
	l := must(t)(Empty().With(e))
	if err := l.Validate(expires.Add(-MaxLife)); err != nil {
		t.Errorf("365 days: %v", err)
	}
	err := l.Validate(expires.Add(-MaxLife - time.Second))
	if reason.Of(err) != reason.TrustFile || !strings.Contains(err.Error(), "write 2027-05-31 or sooner") {
		t.Errorf("a second more than 365 days: %v", err)
	}
	if err := l.Validate(expires.AddDate(50, 0, 0)); err != nil {
		t.Errorf("long expired: %v", err)
	}
	fromFile, err := Parse("trust.toml", []byte("\n"+org(idA)))
	if err != nil {
		t.Fatal(err)
	}
	if err := fromFile.Validate(epoch.AddDate(-5, 0, 0)); err == nil || !strings.HasPrefix(err.Error(), "trust.toml:2:3: expires 2027-06-30") {
		t.Errorf("place of the entry: %v", err)
	}
	other := must(t)(Empty().With(entry(2, "a", Anchor)))
	if err := l.Merge(other).Validate(expires); err == nil || !strings.Contains(err.Error(), `petname "a" is also borne by `+orgID(1).String()) {
		t.Errorf("two files, one petname: %v", err)
	}
	unnamed := must(t)(must(t)(Empty().With(entry(1, "", Anchor))).With(entry(2, "", Anchor)))
	if err := unnamed.Validate(epoch); err != nil {
		t.Errorf("two without petname: %v", err)
	}
}

func TestDigest(t *testing.T) {
	a := must(t)(must(t)(Empty().With(entry(1, "a", Anchor))).With(entry(2, "b", Partner)))
	b := must(t)(must(t)(Empty().With(entry(2, "b", Partner))).With(entry(1, "a", Anchor)))
	if a.Digest() != b.Digest() {
		t.Error("the order of entries shows in the digest")
	}
	if a.Digest() == a.Without(orgID(1)).Digest() {
		t.Error("two lists, one digest")
	}
	elsewhere, err := Parse("other", a.Encode())
	if err != nil || elsewhere.Digest() != a.Digest() {
		t.Errorf("where a list was read shows in the digest: %v", err)
	}
	sameAfterEncode(t, Empty())
}

func TestExpiresIsADay(t *testing.T) {
	e := entry(1, "a", Anchor)
	e.Expires = time.Date(2026, 12, 1, 1, 2, 3, 4, time.FixedZone("", 2*3600)) // the day before in UTC
	l := must(t)(Empty().With(e))
	if got, _ := l.Entry(orgID(1)); !got.Expires.Equal(time.Date(2026, 11, 30, 0, 0, 0, 0, time.UTC)) {
		t.Errorf("expires %s", got.Expires)
	}
}

func TestListed(t *testing.T) {
	l := fixture(t)
	for n, want := range map[int]bool{anchorOrg: true, partnerOrg: true, observedOrg: true, blockedOrg: false, strangerOrg: false} {
		if got := l.Listed(orgID(n)); got != want {
			t.Errorf("organisation %d listed: %v, want %v", n, got, want)
		}
	}
}
