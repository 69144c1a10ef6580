//go:build unix

package stix

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"tocsin/node/cputime"
)

// What one object may cost whoever reads it, at the limits of the gate.
const (
	mostTime  = 50 * time.Millisecond
	mostBytes = 64 << 20
)

// cost is the least that a few runs of f took: what is on top of it came from
// elsewhere in the process.
func cost(t *testing.T, f func()) (least time.Duration, bytes uint64) {
	t.Helper()
	least = time.Hour
	for range 8 {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		start := cputime.Used()
		f()
		took := cputime.Used() - start
		runtime.ReadMemStats(&after)
		if took < least {
			least, bytes = took, after.TotalAlloc-before.TotalAlloc
		}
		if least < mostTime/2 && bytes <= mostBytes {
			break
		}
	}
	return least, bytes
}

// many joins n pieces of text with commas. Where format has no verb for the
// number it is repeated as it is.
func many(n int, format string) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteByte(',')
		}
		if strings.Contains(format, "%") {
			fmt.Fprintf(&b, format, i)
		} else {
			b.WriteString(format)
		}
	}
	return b.String()
}

// escaped is the text with its first letter as an escape.
func escaped(text string) string { return fmt.Sprintf(`\u%04x`, text[0]) + text[1:] }

const (
	headOf     = `{"type":"%[1]s","spec_version":"2.1","id":"%[1]s--` + someUUID + `","created":"` + early + `","modified":"` + early + `"`
	observedBy = `,"first_observed":"` + early + `","last_observed":"` + early + `","number_observed":1,"objects":{`
)

func begin(typ string) string { return fmt.Sprintf(headOf, typ) }

// hostile are objects that stay within the gate and were made to be slow.
func hostile() map[string]string {
	pad := strings.Repeat("k", 120)
	indicator := begin("indicator") + `,"pattern":"[a:b = 1]","pattern_type":"stix","valid_from":"` + early + `"`
	observed := begin("observed-data") + observedBy
	traffic := `"n":{"type":"network-traffic","protocols":["tcp"],"encapsulates_refs":[`
	marked := `,"granular_markings":[{"marking_ref":"` + ref("marking-definition") + `","selectors":[`
	registry := `{"type":"windows-registry-key","id":"` + ref("windows-registry-key") + `","key":"k"`
	slow := "2.2250738585072011360574097967e-308" // no short way to the nearest double
	mid := strings.Repeat("m", 1600)
	all := map[string]string{
		"neighbours":                observed + many(3200, `"%04d":{"type":"zzzz"}`) + "," + traffic + many(6000, `"3199"`) + "]}}}",
		"neighbours, escaped":       observed + many(3200, `"\u0030%04d":{"type":"zzzz"}`) + "," + traffic + many(6000, `"03199"`) + "]}}}",
		"neighbours, long":          observed + many(3200, `"`+pad+`%04d":{"type":"zzzz"}`) + "," + traffic + many(3000, `"`+pad+`3199"`) + "]}}}",
		"neighbours, no such":       observed + many(3200, `"%04d":{"type":"zzzz"}`) + "," + traffic + many(6000, `"x%04d"`) + "]}}}",
		"one large neighbour":       observed + `"0":{` + many(4000, `"%d":1`) + `,"type":"zzzz"},` + traffic + many(8000, `"0"`) + "]}}}",
		"small neighbours":          observed + many(4900, `"%d":{"type":"url"}`) + "}}",
		"escaped names":             indicator + "," + many(4500, `"`+escaped("a")+strings.Repeat("b", 200)+`%04d":1`) + "}",
		"escaped names, wholly":     indicator + "," + many(9900, `"\u0063\u0072\u0065\u0061\u0074\u0065\u0064\u005f\u0061%d":1`) + "}",
		"escaped names, observable": registry + "," + many(9900, `"\u0076alue%04d":1`) + "}",
		"names that look alike":     indicator + `,"xx":[` + many(19, `{`+many(32, `"aaaaaaaa`+escaped("b")+mid+`%04d`+mid[:8]+`":1`)+`}`) + "]}",
		"names with one print":      indicator + `,"xx":{` + many(30, `"aaaaaaaa\u0061`+strings.Repeat("b", 34_000)+`%02dbbbbbbbb":1`) + "}}",
		"selectors, deep":           indicator + `,"xx":` + nest(`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"zz":`, "1", "}", 28) + marked + many(10_900, `"xx`+strings.Repeat(".zz", 28)+`"`) + "]}]}",
		"selectors, deep lists":     indicator + `,"xx":` + nest(`[`, many(29, "1"), "]", 29) + marked + many(8000, `"xx`+strings.Repeat(".[0]", 28)+`.[28]"`) + "]}]}",
		"selectors, deeper":         indicator + `,"x":` + nest(`{"a":1,"b":1,"c":1,"d":1,"e":1,"f":1,"g":1,"z":`, "1", "}", 28) + marked + many(16_000, `"x`+strings.Repeat(".z", 28)+`"`) + "]}]}",
		"selectors, wide":           indicator + `,"xx":[` + many(9000, "1") + "]" + marked + many(9000, `"xx.[%d]"`) + "]}]}",
		"selectors, escaped":        indicator + `,"xx":{` + many(15, `"\u0061%d":1`) + "}" + marked + many(19_000, `"xx.a14"`) + "]}]}",
		"selectors, no such":        indicator + marked + many(19_900, `"xx.[%d]"`) + "]}]}",
		"markings":                  indicator + `,"object_marking_refs":[` + many(12_000, `"marking-definition--8e2e2d2b-17d4-4cbf-938f-%012d"`) + "]}",
		"granular markings":         indicator + `,"granular_markings":[` + many(3300, `{"marking_ref":"`+ref("marking-definition")+`","selectors":["id"]}`) + "]}",
		"bad markings":              indicator + `,"object_marking_refs":[` + many(19_900, `"tool--%d"`) + "]}",
		"references":                begin("report") + `,"name":"n","published":"` + early + `","object_refs":[` + many(15_000, `"tool--8e2e2d2b-17d4-4cbf-938f-%012d"`) + "]}",
		"dangling references":       `{"type":"ipv4-addr","id":"` + ref("ipv4-addr") + `","value":"1.1.1.1","resolves_to_refs":[` + many(19_900, `"`+strings.Repeat("\x7f", 40)+`"`) + "]}",
		"references to wrong types": begin("report") + `,"name":"n","published":"` + early + `","object_refs":[` + many(15_000, `"bundle--8e2e2d2b-17d4-4cbf-938f-%012d"`) + "]}",
		"hashes":                    `{"type":"file","id":"` + ref("file") + `","hashes":{` + many(9900, `"algorithm%d":"`+strings.Repeat("0", 64)+`"`) + "}}",
		"bad hashes":                `{"type":"file","id":"` + ref("file") + `","hashes":{` + many(9900, `"\u0021%d":1`) + "}}",
		"bad values":                registry + `,"values":[` + many(6600, `{"data_type":"%d"}`) + "]}",
		"external references":       indicator + `,"external_references":[` + many(3900, `{"source_name":"x","url":"https://example.test/%d"}`) + "]}",
		"empty references":          indicator + `,"external_references":[` + many(6500, `{"a%d":1}`) + "]}",
		"extensions":                indicator + `,"extensions":{` + many(4900, `"extension-definition--8e2e2d2b-17d4-4cbf-938f-%012d":{"extension_type":"property-extension"}`) + "}}",
		"escaped extensions":        indicator + `,"extensions":{"extension-definition--` + someUUID + `":{"extension_type":"property-extension",` + many(4500, `"\u0065xtension_typ%0200d":1`) + "}}}",
		"nulls":                     indicator + `,"xx":[` + many(19_700, "1") + "," + many(150, "null") + "]}",
		"slow numbers":              indicator + `,"xx":[` + many(19_900, slow) + "]}",
		"long numbers":              indicator + `,"xx":[` + many(1000, "0."+strings.Repeat("9", 1000)+"e-300") + "]}",
		"slow entropies": `{"type":"file","id":"` + ref("file") + `","name":"n","extensions":{"windows-pebinary-ext":{"pe_type":"exe","sections":[` +
			many(3900, `{"name":"n","entropy":`+slow+"}") + "]}}}",
		"translations":   begin("language-content") + `,"object_ref":"` + ref("tool") + `","contents":{` + many(4900, `"de-x-%d":{"name":"n"}`) + "}}",
		"languages":      `{"type":"software","id":"` + ref("software") + `","name":"n","languages":[` + many(19_900, `"zz-%d"`) + "]}",
		"observable":     `{"type":"url","id":"` + ref("url") + `","value":"u","extensions":{"x-ext":[` + many(6600, `{"a":1}`) + "]}}",
		"one long name":  indicator + `,"` + strings.Repeat(`\u0041`, 40_000) + `":1}`,
		"deep and wide":  indicator + "," + many(570, `"a%d":`+nest(`{"a":`, "1", "}", 16)) + "}",
		"comments":       strings.Replace(indicator, "[a:b = 1]", strings.Repeat("/*", 100_000), 1) + "}",
		"wrong versions": observed + many(1900, `"%d":{"type":"file","name":"n","hashes":{"MD5":"1"}}`) + "}}",
	}
	return all
}

// hostile20 are objects of 2.0 that were made to grow.
func hostile20() map[string]string {
	observed := strings.Replace(begin("observed-data"), `"2.1"`, `"2.0"`, 1)
	marks := func(n int) string {
		return `,"object_marking_refs":[` + many(n, `"marking-definition--8e2e2d2b-17d4-4cbf-938f-%012d"`) + "]"
	}
	urls := observedBy + many(3300, `"%d":{"type":"url","value":"u%[1]d"}`) + "}}"
	processes := observedBy + many(4900, `"%d":{"type":"process"}`) + "}}"
	chain := observedBy + many(1400, `"%d":{"type":"file","name":"n","parent_directory_ref":"x%[1]d"},"x%[1]d":{"type":"directory","path":"%[1]d"}`) + "}}"
	return map[string]string{
		"observables":            observed + urls,
		"processes":              observed + processes,
		"references":             observed + chain,
		"many markings":          observed + marks(100) + urls,
		"some markings":          observed + marks(5) + urls,
		"long markings":          observed + `,"object_marking_refs":[` + many(3, `"`+strings.Repeat("m", 250_000)+`%d"`) + "]" + urls,
		"a long id":              strings.Replace(observed, "observed-data--", strings.Repeat("i", 250_000), 1) + processes,
		"a neighbour often used": observed + observedBy + many(3000, `"%d":{"type":"url"}`) + `,"n":{"type":"network-traffic","encapsulates_refs":[` + many(7000, `"0"`) + "]}}}",
		"a chain":                observed + observedBy + many(1400, `"n%d":{"type":"network-traffic","src_ref":"%[1]d0"},"%[1]d0":{"type":"mutex","name":"%[1]d"}`) + "}}",
	}
}

// TestHostileObjects: an object within the limits of the gate costs no more
// than a fixed time and memory, whatever it was made to be. OBJ-02, OBJ-04
func TestHostileObjects(t *testing.T) {
	for name, one := range hostile() {
		t.Run(name, func(t *testing.T) {
			bearable(t, "Parse", one, mostTime, func() { _, _ = Parse([]byte(one)) })
			// a person checks objects by hand; the canonical form of numbers may take its time
			bearable(t, "Check", one, 10*mostTime, func() { _, _ = Check([]byte(one)) })
			old := strings.Replace(one, `"spec_version":"2.1"`, `"spec_version":"2.0"`, 1)
			bearable(t, "Upgrade", old, mostTime, func() { _, _ = Upgrade([]byte(old)) })
		})
	}
}

// TestHostileUpgrades: nor does one of 2.0 that was made to grow. OBJ-27
func TestHostileUpgrades(t *testing.T) {
	for name, one := range hostile20() {
		t.Run(name, func(t *testing.T) {
			// each observable is hashed and written anew: the work of a publisher, on a file of its own
			bearable(t, "Upgrade", one, 2*mostTime, func() { _, _ = Upgrade([]byte(one)) })
		})
	}
}

func bearable(t *testing.T, work, object string, limit time.Duration, f func()) {
	t.Helper()
	if err := Scan([]byte(object)); err != nil {
		t.Fatalf("the gate spares the rules this object: %v", err)
	}
	took, bytes := cost(t, f)
	t.Logf("%s: %d bytes in %v with %d KiB", work, len(object), took, bytes>>10)
	if took > limit || bytes > mostBytes {
		t.Errorf("%s of %d bytes took %v and %d bytes of memory", work, len(object), took, bytes)
	}
}
