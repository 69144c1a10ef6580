package warn

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"tocsin/protocol/pattern"
)

// poisoned is a value as a hostile or mistaken publisher writes it, under a STIX path.
type poisoned struct{ path, value string }

// ownAssets is an operator's own list.
func ownAssets(t testing.TB) *List {
	t.Helper()
	l, err := Parse("assets.txt", []byte("bank.example\nbücherei.example\nmail.ministry.example\n198.51.100.0/24\n2001:db8:77::/48\n"), Hard)
	if err != nil {
		t.Fatal(err)
	}
	l.Own = true
	return l
}

// spellAddress gives every notation of an IPv4 address.
func spellAddress(a netip.Addr) []poisoned {
	b := a.As4()
	n := uint32(b[0])<<24 | uint32(b[1])<<16 | uint32(b[2])<<8 | uint32(b[3])
	plain := a.String()
	groups := fmt.Sprintf("%x:%x", n>>16, n&0xffff)
	inverted := fmt.Sprintf("%x:%x", n>>16^0xffff, n&0xffff^0xffff)
	var all []poisoned
	for _, v := range []string{
		plain, " " + plain + " ", strings.ReplaceAll(plain, ".", "[.]"), strings.ReplaceAll(plain, ".", "(dot)"), strings.ReplaceAll(plain, ".", `\.`), `"` + plain + `"`, "<" + plain + ">",
		fmt.Sprintf("0x%02x.0x%02X.0x%02x.0x%02x", b[0], b[1], b[2], b[3]), fmt.Sprintf("0%o.0%o.0%o.0%o", b[0], b[1], b[2], b[3]),
		fmt.Sprintf("00%o.%d.0x%x.%d", b[0], b[1], b[2], b[3]), fmt.Sprintf("0x%08X", n), plain + "/32",
		"::ffff:" + plain, "::FFFF:" + groups, "0:0:0:0:0:ffff:" + groups, "64:ff9b::" + plain, "64:ff9b::" + groups, "64:ff9b:1::" + groups, "2002:" + groups + "::1",
		"2001:0:4136:e378:8000:63bf:" + inverted, "::" + plain, "::ffff:0:" + plain, "::FFFF:0:" + groups, "[::ffff:" + plain + "]", "::ffff:" + plain + "%eth0",
	} {
		all = append(all, poisoned{"", v})
	}
	for _, v := range []string{plain + ":443", fmt.Sprint(n), fmt.Sprintf("%d.%d", b[0], n&0xffffff), fmt.Sprintf("%d.%d.%d", b[0], b[1], n&0xffff), fmt.Sprintf("0%o", n)} {
		all = append(all, poisoned{"ipv4-addr:value", v})
	}
	encoded := fmt.Sprintf("%%%x%s", plain[0], plain[1:])
	for _, host := range []string{plain, fmt.Sprint(n), fmt.Sprintf("0x%x", n), encoded, "[::ffff:" + plain + "]", "user@" + plain} {
		all = append(all, poisoned{"url:value", "http://" + host + "/x"}, poisoned{"url:value", "hxxps://" + host + ":8443"})
	}
	for _, before := range []string{"http:", "http:/", "http:///", `http:\\`, `http:\`, `https:/\`, `ftp:\//`, "//", "hxxp:", "HTTP:"} { // as browsers read them
		all = append(all, poisoned{"url:value", before + plain + "/"}, poisoned{"url:value", before + plain + "/a?b"})
	}
	all = append(all, poisoned{"url:value", "http://" + plain + `\x`}, poisoned{"url:value", "http://evil.example@" + plain + `\@evil.example/`})
	for bits := range 33 {
		p, _ := a.Prefix(bits)
		all = append(all, poisoned{"ipv4-addr:value", p.String()}, poisoned{"ipv4-addr:value", fmt.Sprintf("%s/%d", plain, bits)})
	}
	return all
}

// spellName gives the spellings of a name, of names below it, and of what is served there.
func spellName(name string) []poisoned {
	var all []poisoned
	for _, n := range []string{name, "www." + name, "a.b.c-d.e_f." + name} {
		for _, v := range []string{n, strings.ToUpper(n), n + ".", "*." + n, "." + n, strings.ReplaceAll(n, ".", "[.]"), strings.ReplaceAll(n, ".", "。"), " " + n + "\n"} {
			all = append(all, poisoned{"domain-name:value", v})
		}
		encoded := fmt.Sprintf("%%%x%s", n[0], n[1:])
		for _, v := range []string{"http://" + n, "https://user:pw@" + strings.ToUpper(n) + ":8443/a/b?c#d", "hxxp://" + strings.ReplaceAll(n, ".", "[.]") + "/x",
			"http://" + encoded + "/", "ftp://" + n + "./x", n + "/login.php"} {
			all = append(all, poisoned{"url:value", v})
		}
	}
	return all
}

// TestPoison is row P1 of the threat model: 1,000 values that must not be blocked, in all
// the ways in which they can be written; every one is on a hard list of a fresh node with its own assets.
func TestPoison(t *testing.T) {
	var all []poisoned
	for _, a := range []string{"8.8.8.8", "1.1.1.1", "9.9.9.9", "10.0.0.1", "127.0.0.1", "192.168.1.1", "198.41.0.4", "198.51.100.77"} {
		all = append(all, spellAddress(netip.MustParseAddr(a))...)
	}
	for _, n := range []string{"bank.example", "mail.ministry.example", "dns.google", "a.root-servers.net", "ocsp.digicert.com", "connectivitycheck.gstatic.com", "captive.apple.com"} {
		all = append(all, spellName(n)...)
	}
	add := func(path string, values ...string) {
		for _, v := range values {
			all = append(all, poisoned{path, v})
		}
	}
	add("ipv6-addr:value", "::1", "fe80::1", "fe80::1%eth0", "FC00::7", "ff02::1", "2001:4860:4860::8888", "2001:4860:4860:0:0:0:0:8888", "2620:fe::/48", "2001:db8:77::/48",
		"2001:db8:77:1::5", "2001:db8::/32", "::/0", "2000::/3", "2001:500::/30", "fd12:3456::/32")
	for bits := range 49 {
		add("ipv6-addr:value", netip.PrefixFrom(netip.MustParseAddr("2001:4860:4860::8888"), bits).Masked().String())
	}
	add("domain-name:value", "com", "org", "net", "COM.", "*.com", ".de", "*.ke", "co.uk", "*.co.uk", "gov.br", "com.au", "ac.jp", "рф", "*.рф", "xn--p1ai", "arpa", "in-addr.arpa", "localhost", "printer.local",
		// IDN: the same name in other characters, and names above what is protected.
		"bücherei.example", "BÜCHEREI.example", "xn--bcherei-n2a.example", "bu\u0308cherei.example", "ｂａｎｋ.example", "bank．example", "ⓑⓐⓝⓚ.example", "ministry.example",
		"gstatic.com", "google.com", "apple.com", "digicert.com", "microsoft.com", "ubuntu.com")
	add("email-addr:value", "ceo@bank.example", "CEO@BANK.example", "it[at]mail.ministry.example", "x@www.bücherei.example")
	for _, h := range emptyFiles() {
		add("file:hashes.MD5", h, strings.ToUpper(h), " "+h)
	}
	if len(all) < 1000 {
		t.Fatalf("only %d values", len(all))
	}
	x := Compile(append(Builtin(), ownAssets(t)))
	for _, p := range all {
		o := pattern.Normalize(p.path, p.value)
		if h, ok := x.Match(o); !ok || h.Weight != Hard {
			t.Errorf("%s %q (%s %q) would be blocked", p.path, p.value, o.Type, o.Value)
		}
	}
	t.Logf("%d values", len(all))
}

// TestHonest: 1,000 values that honest publishers share are on no built-in list and are nobody's assets.
func TestHonest(t *testing.T) {
	var all []poisoned
	for i := range 100 {
		sum := sha256.Sum256([]byte{7, byte(i)})
		word := hex.EncodeToString(sum[:4])
		all = append(all,
			poisoned{"ipv4-addr:value", fmt.Sprintf("%d.%d.%d.%d", 77+i%20, 20+i, sum[0], sum[1])},
			poisoned{"ipv4-addr:value", fmt.Sprintf("45.%d.%d.0/24", 20+i, sum[0])},
			poisoned{"ipv6-addr:value", fmt.Sprintf("2a0%d:%x:%x::%x", 3+i%4, 0x1000+i, sum[1], sum[2])},
			poisoned{"domain-name:value", "login-" + word + []string{".com", ".co.uk", ".xyz", ".github.io", ".example", ".xn--p1ai", ".gov.br.evil.net", ".google.com.evil.org", ".bank-example.com", ".banks.example"}[i%10]},
			poisoned{"url:value", "http://cdn-" + word + ".top/8.8.8.8/bank.example/" + word + ".exe"},
			poisoned{"url:value", fmt.Sprintf("http://203.0.113.%d:8080/google.com", i)},
			poisoned{"file:hashes.'SHA-256'", hex.EncodeToString(sum[:])},
			poisoned{"email-addr:value", "bank.example-" + word + "@mailer-" + word + ".net"},
			poisoned{"mutex:name", "Global\\" + word},
			poisoned{"ipv4-addr:value", fmt.Sprintf("192.0.2.%d", i)},
		)
	}
	for _, v := range []string{"sh", "cmd.exe", "powershell", "support", "admin", "id", "zip", "net1", "8.8.8", "1.2.3", "10.0", "127", "com port", "google", "localhost1"} {
		all = append(all, poisoned{"process:name", v})
	}
	x := Compile(append(Builtin(), ownAssets(t)))
	for _, p := range all {
		o := pattern.Normalize(p.path, p.value)
		if h, ok := x.Match(o); ok {
			t.Errorf("%s %q (%s %q) is on %s for %s", p.path, p.value, o.Type, o.Value, h.List, h.Entry)
		}
	}
	if len(all) < 1000 {
		t.Errorf("only %d values", len(all))
	}
}

// TestBuiltin: the pack is sound, each call gives its own, and it covers what it says.
func TestBuiltin(t *testing.T) {
	names := map[string]bool{}
	for _, l := range Builtin() {
		if names[l.Name] || !strings.HasPrefix(l.Name, "builtin/") || l.Weight != Hard || l.Description == "" || len(l.Entries) == 0 || l.Own {
			t.Errorf("%+v", l)
		}
		names[l.Name] = true
		seen := map[string]bool{}
		for _, e := range l.Entries {
			if seen[e] {
				t.Errorf("%s names %s twice", l.Name, e)
			}
			seen[e] = true
		}
		if Compile([]*List{l}); len(l.Skipped) > 0 {
			t.Errorf("%s: %q", l.Name, l.Skipped)
		}
	}
	public := 0
	for _, e := range resolvers() {
		if _, err := netip.ParseAddr(e); err == nil {
			public++
		}
	}
	if public < 80 {
		t.Errorf("only %d addresses of resolvers", public)
	}
	var root int
	for _, e := range rootServers() {
		if a, err := netip.ParseAddr(e); err == nil && a.Is4() {
			root++
		}
	}
	if root < 26 {
		t.Errorf("only %d IPv4 addresses of root and gTLD servers", root)
	}
	x := Compile(Builtin())
	// Documentation ranges and names stay free: see the decision.
	for _, v := range []string{"192.0.2.1", "198.51.100.1", "203.0.113.1", "2001:db8::1", "3fff::1", "example.com", "a.example", "b.test", "c.invalid", "abc.onion"} {
		if h, ok := x.Match(pattern.Refang(v)); ok {
			t.Errorf("%s is on %s", v, h.List)
		}
	}
}
