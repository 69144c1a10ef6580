package warn

import (
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/hex"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tocsin/protocol/pattern"
)

// realFolder holds lists of MISP as they are published.
const realFolder = "../../../shared/data/misp/warninglists"

// realLists reads all of them.
func realLists(t testing.TB) []*List {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(realFolder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	if len(paths) == 0 {
		t.Skip("NOT TESTED: the real warning lists are not at " + realFolder)
	}
	var lists []*List
	for _, path := range paths {
		if strings.HasPrefix(filepath.Base(path), "_") {
			continue // the schema
		}
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		l, err := Parse(path, raw, Soft)
		if err != nil {
			t.Fatal(err)
		}
		l.Name = strings.TrimSuffix(filepath.Base(path), ".json")
		lists = append(lists, l)
	}
	return lists
}

// TestRealLists: every real list loads, and hardly an entry is lost.
func TestRealLists(t *testing.T) {
	lists := realLists(t)
	entries, skipped := 0, 0
	for _, l := range lists {
		entries += len(l.Entries)
		skipped += len(l.Skipped)
		if len(l.Entries) == 0 || len(l.Skipped)*4 > len(l.Entries) {
			t.Errorf("%s: %d entries, %d skipped, as %.2q", l.Name, len(l.Entries), len(l.Skipped), l.Skipped)
		}
	}
	if len(lists) < 30 || entries < 45_000 || skipped > 20 {
		t.Errorf("%d lists, %d entries, %d skipped", len(lists), entries, skipped)
	}
	t.Logf("%d lists, %d entries, %d skipped", len(lists), entries, skipped)
}

// TestRealAnswers: what the real lists say of values that everybody knows.
func TestRealAnswers(t *testing.T) {
	x := Compile(realLists(t))
	for _, c := range []struct{ path, value, lists string }{
		{"", "10.0.0.1", "rfc1918 rfc5735"},
		{"", "0x0a.0.0.1", "rfc1918 rfc5735"},
		{"", "::ffff:10.1.2.3", "rfc1918 rfc5735"},
		{"", "10.0.0.0/7", "rfc1918 rfc5735"},
		{"", "100.64.3.4", "rfc6598"},
		{"", "224.0.0.251", "multicast rfc5735"},
		{"", "fe80::1%eth0", "ipv6-linklocal"},
		{"", "2001:db8::5", "rfc3849"},
		{"", "203.0.113.5", "rfc5735"},
		{"", "8.8.8.8", ""}, // the list of IPv4 resolvers is not among these: the built-in pack has it
		{"", "52.95.110.1", "amazon-aws"},
		{"", "104.16.0.0/16", "cloudflare"},
		{"", "google.com", "cloudflare-top1k google tranco10k"},
		{"", "www.google.com", "google moz-top500 tranco10k"},
		{"", "no-such-host.google.com", "google tranco10k"},
		{"", "google.com.evil.example", ""},
		{"", "notgoogle.com", ""},
		{"", "https://www.bmw.de/", "dax30"},
		{"", "mit.edu", "moz-top500 tranco10k university_domains"},
		{"", "x.mit.edu", "tranco10k"},
		{"", "co.uk", "second-level-tlds"},
		{"", "evil.co.uk", ""},
		{"domain-name:value", "com", "second-level-tlds tlds"},
		{"", "someone@0-mail.com", "disposable-email"},
		{"", "0-mail.com", "disposable-email"}, // that list is for domain|ip too
		{"", "D41D8CD98F00B204E9800998ECF8427E", "common-ioc-false-positive empty-hashes"},
		{"", "44d88612fea8a8f36de82e1278abb02f", "eicar.com"},
		{"", "https://bit.ly/3abc", "link-in-bio lots-project moz-top500 tranco10k url-shortener"},
		{"", "ocsp.digicert.com", "crl-hostname microsoft-office365 tranco10k"},
		{"", "evil.example", ""},
	} {
		o := pattern.Normalize(c.path, c.value)
		var got []string
		for _, h := range x.All(o) {
			got = append(got, h.List)
		}
		slices.Sort(got)
		if strings.Join(got, " ") != c.lists {
			t.Errorf("%s is on %v, want %s", c.value, got, c.lists)
		}
	}
}

// TestEmptyFiles computes the hashes of the built-in list.
func TestEmptyFiles(t *testing.T) {
	var want []string
	for _, content := range []string{"", "\n", "\r\n", " ", "\x00"} {
		m, s1, s2, s5 := md5.Sum([]byte(content)), sha1.Sum([]byte(content)), sha256.Sum256([]byte(content)), sha512.Sum512([]byte(content))
		for _, sum := range [][]byte{m[:], s1[:], s2[:], s5[:]} {
			want = append(want, hex.EncodeToString(sum))
		}
	}
	if !slices.Equal(emptyFiles(), want) {
		t.Errorf("the built-in hashes are not those of nothing: %q", emptyFiles())
	}
}
