package stix

import (
	"strings"
	"testing"
	"time"
)

// TestTypeRules holds single types to what only they have. OBJ-15 OBJ-16 OBJ-18
func TestTypeRules(t *testing.T) {
	all := minimal()
	of := func(typ string) fields { return all[typ] }
	runRules(t, []ruleCase{
		{"valid_until later", of("indicator"), fields{"valid_until": late}, "", "", false, false},
		{"valid_until the same", of("indicator"), fields{"valid_until": early}, "valid_until", "", false, false},
		{"seen the same", of("campaign"), fields{"first_seen": early, "last_seen": early}, "", "", false, false},
		{"seen backwards", of("campaign"), fields{"first_seen": late, "last_seen": early}, "last_seen", "", false, false},
		{"sighting backwards", of("sighting"), fields{"first_seen": late, "last_seen": early}, "last_seen", "", false, false},
		{"observed backwards", of("observed-data"), fields{"first_observed": late}, "last_observed", "", false, false},
		{"start and stop the same", of("relationship"), fields{"start_time": early, "stop_time": early}, "stop_time", "", false, false},
		{"traffic backwards", of("network-traffic"), fields{"start": late, "end": early}, "end", "", false, false},
		{"analysis backwards", of("malware-analysis"), fields{"analysis_started": late, "analysis_ended": early}, "analysis_ended", "", false, false},

		{"relationship of a relationship", of("relationship"), fields{"source_ref": ref("relationship")}, "source_ref", "", false, false},
		{"relationship to a marking", of("relationship"), fields{"target_ref": ref("marking-definition")}, "target_ref", "", false, false},
		{"relationship to a custom type", of("relationship"), fields{"target_ref": ref("x-thing")}, "", "", false, false},
		{"relationship type", of("relationship"), fields{"relationship_type": "Uses it"}, "relationship_type", "", false, false},
		{"sighting of an observable", of("sighting"), fields{"sighting_of_ref": ref("ipv4-addr")}, "sighting_of_ref", "", false, false},
		{"sighting of a sighting", of("sighting"), fields{"sighting_of_ref": ref("sighting")}, "sighting_of_ref", "", false, false},
		{"sighting of a custom type", of("sighting"), fields{"sighting_of_ref": ref("x-thing")}, "", "", false, false},
		{"not seen", of("sighting"), fields{"count": 0}, "", "", false, false},
		{"most seen", of("sighting"), fields{"count": 999_999_999}, "", "", false, false},
		{"too often seen", of("sighting"), fields{"count": 1_000_000_000}, "count", "", false, false},
		{"seen where", of("sighting"), fields{"where_sighted_refs": []string{ref("identity"), ref("tool")}}, "where_sighted_refs[1]", "", false, false},
		{"opinion", of("opinion"), fields{"opinion": "maybe"}, "opinion", "", false, false},
		{"observed nothing", of("observed-data"), fields{"number_observed": 0}, "number_observed", "", false, false},
		{"observed an indicator", of("observed-data"), fields{"object_refs": []string{ref("indicator")}}, "object_refs[0]", "", false, false},
		{"observed only a relationship", of("observed-data"), fields{"object_refs": []string{ref("relationship")}}, "object_refs", "", false, false},
		{"observed twice", of("observed-data"), fields{"objects": fields{"0": fields{"type": "mutex", "name": "m"}}}, "objects", "", false, false},
		{"container", of("observed-data"), fields{"object_refs": nil, "objects": fields{"0": fields{"type": "ipv4-addr", "value": "192.0.2.1"},
			"1": fields{"type": "network-traffic", "src_ref": "0", "protocols": []string{"tcp"}}}}, "", "", false, false},
		{"container with a wrong neighbour", of("observed-data"), fields{"object_refs": nil, "objects": fields{"0": fields{"type": "mutex", "name": "m"},
			"1": fields{"type": "network-traffic", "src_ref": "0", "protocols": []string{"tcp"}}}}, "objects.1.src_ref", "", false, false},
		{"container without a type", of("observed-data"), fields{"object_refs": nil, "objects": fields{"0": fields{"value": "v"}}}, "objects.0.type", "", false, false},
		{"container of a tool", of("observed-data"), fields{"object_refs": nil, "objects": fields{"0": fields{"type": "tool"}}}, "objects.0", "", false, false},
		{"family without a name", of("malware"), fields{"is_family": true}, "name", "", false, false},
		{"family", of("malware"), fields{"is_family": true, "name": "N"}, "", "", false, false},
		{"sample", of("malware"), fields{"sample_refs": []string{ref("url")}}, "sample_refs[0]", "", false, false},
		{"no result", of("malware-analysis"), fields{"result": nil}, "", "", false, true},
		{"analysed an indicator", of("malware-analysis"), fields{"analysis_sco_refs": []string{ref("indicator")}}, "analysis_sco_refs[0]", "", false, false},
		{"nowhere", of("location"), fields{"country": nil}, "", "", false, true},
		{"half a place", of("location"), fields{"latitude": 1.5}, "", "", false, true},
		{"a place", of("location"), fields{"country": nil, "latitude": 48.2, "longitude": 16, "precision": 10.0}, "", "", false, false},
		{"precision of nothing", of("location"), fields{"precision": 10.0}, "precision", "", false, false},
		{"north of the pole", of("location"), fields{"latitude": 90.5, "longitude": 0}, "latitude", "", false, false},
		{"translated into nothing", of("language-content"), fields{"contents": fields{"12": fields{"name": "N"}}}, "contents.12", "", false, false},
		{"translated text", of("language-content"), fields{"contents": fields{"de": "N"}}, "contents.de", "", false, false},
		{"translated name", of("language-content"), fields{"contents": fields{"de": fields{"N": "N"}}}, "contents.de.N", "", false, false},
		{"translation of a translation", of("language-content"), fields{"object_ref": ref("language-content")}, "object_ref", "", false, false},
		{"extension properties", of("extension-definition"), fields{"extension_properties": []string{"abc"}}, "extension_properties", "", false, false},
		{"extension type", of("extension-definition"), fields{"extension_types": []string{"new-thing"}}, "extension_types[0]", "", false, false},

		{"artifact twice", of("artifact"), fields{"url": "https://bad.example"}, "url", "", false, false},
		{"artifact without hashes", of("artifact"), fields{"payload_bin": nil, "url": "https://bad.example"}, "hashes", "", false, false},
		{"artifact with a key", of("artifact"), fields{"decryption_key": "k"}, "decryption_key", "", false, false},
		{"artifact of no media type", of("artifact"), fields{"mime_type": "foo/bar"}, "mime_type", "", false, false},
		{"artifact by another cipher", of("artifact"), fields{"encryption_algorithm": "ROT13"}, "encryption_algorithm", "", false, false},
		{"no Base64", of("artifact"), fields{"payload_bin": "AAA"}, "payload_bin", "", false, false},
		{"negative system", of("autonomous-system"), fields{"number": -1}, "number", "", false, false},
		{"multipart with a body", of("email-message"), fields{"is_multipart": true, "body": "b"}, "body", "", false, false},
		{"one part with parts", of("email-message"), fields{"body_multipart": []fields{{"body": "b"}}}, "body_multipart", "", false, false},
		{"part of nothing", of("email-message"), fields{"is_multipart": true, "body_multipart": []fields{{"content_type": "text/plain"}}}, "body_multipart[0]", "", false, false},
		{"file without a name", of("file"), fields{"name": nil}, "", "", false, true},
		{"magic number", of("file"), fields{"magic_number_hex": "abc"}, "magic_number_hex", "", false, false},
		{"active traffic with an end", of("network-traffic"), fields{"is_active": true, "end": late}, "end", "", false, false},
		{"traffic of nobody", of("network-traffic"), fields{"src_ref": nil}, "", "", false, true},
		{"port 65536", of("network-traffic"), fields{"src_port": 65536}, "src_port", "", false, false},
		{"traffic from a file", of("network-traffic"), fields{"src_ref": ref("file")}, "src_ref", "", false, false},
		{"idle process", of("process"), fields{"pid": nil}, "", "", false, true},
		{"short hive", of("windows-registry-key"), fields{"key": `HKLM\x`}, "key", "", false, false},
		{"registry value", of("windows-registry-key"), fields{"values": []fields{{"data_type": "REG_NO"}}}, "values[0].data_type", "", false, false},
		{"cpe", of("software"), fields{"cpe": "cpe:2.3:a:microsoft:word:2000:*:*:*:*:*:*:*"}, "", "", false, false},
		{"no cpe", of("software"), fields{"cpe": "cpe:/a:microsoft:word"}, "cpe", "", false, false},
		{"language of software", of("software"), fields{"languages": []string{"en", "qq"}}, "languages[1]", "", false, false},
		{"character set", of("directory"), fields{"path_enc": "no way"}, "path_enc", "", false, false},
		{"IPv4 network", of("ipv4-addr"), fields{"value": "192.0.2.0/24"}, "", "", false, false},
		{"no IPv4", of("ipv4-addr"), fields{"value": "192.0.2.256"}, "value", "", false, false},
		{"defanged", of("ipv4-addr"), fields{"value": "192[.]0[.]2[.]1", "defanged": true}, "", "", false, false},
		{"IPv6 under IPv4", of("ipv4-addr"), fields{"value": "::1"}, "value", "", false, false},
		{"IPv6 network", of("ipv6-addr"), fields{"value": "2001:db8::/32"}, "", "", false, false},
		{"no IPv6", of("ipv6-addr"), fields{"value": "2001:db8::1::"}, "value", "", false, false},
		{"MAC in upper case", of("mac-addr"), fields{"value": "00:00:5E:00:53:AF"}, "value", "", false, false},
		{"e-mail with a name", of("email-addr"), fields{"value": "A <a@bad.example>"}, "value", "", false, false},
		{"domain with a path", of("domain-name"), fields{"value": "bad.example/x"}, "value", "", true, false},
		{"certificate extension", of("x509-certificate"), fields{"x509_v3_extensions": fields{"key_usage": 1}}, "x509_v3_extensions.key_usage", "", false, false},

		// OBJ-19
		{"hashes", of("file"), fields{"hashes": fields{"SHA-256": strings.Repeat("A", 64), "x-own": "any"}}, "", "", false, false},
		{"short hash", of("file"), fields{"hashes": fields{"SHA-256": strings.Repeat("a", 63)}}, "hashes.SHA-256", "", false, false},
		{"hash of other letters", of("file"), fields{"hashes": fields{"MD5": strings.Repeat("g", 32)}}, "hashes.MD5", "", false, false},
		{"TLSH", of("file"), fields{"hashes": fields{"TLSH": "short"}}, "hashes.TLSH", "", false, false},
		{"odd name of a hash", of("file"), fields{"hashes": fields{"SHA 256": "a"}}, "hashes.SHA 256", "", false, false},
		{"hash as a number", of("file"), fields{"hashes": fields{"x-own": 1}}, "hashes.x-own", "", false, false},
		// OBJ-20, extensions of the standard
		{"archive", of("file"), fields{"extensions": fields{"archive-ext": fields{"comment": "c"}}}, "extensions.archive-ext.contains_refs", "", false, false},
		{"pe", of("file"), fields{"extensions": fields{"windows-pebinary-ext": fields{"pe_type": "exe",
			"sections": []fields{{"name": "s", "entropy": 1.5}}, "optional_header": fields{"magic_hex": "010b"}}}}, "", "", false, false},
		{"pe section", of("file"), fields{"extensions": fields{"windows-pebinary-ext": fields{"pe_type": "exe", "sections": []fields{{"size": 1}}}}},
			"extensions.windows-pebinary-ext.sections[0].name", "", false, false},
		{"http", of("network-traffic"), fields{"extensions": fields{"http-request-ext": fields{"request_method": "get"}}},
			"extensions.http-request-ext.request_value", "", false, false},
		{"socket", of("network-traffic"), fields{"extensions": fields{"socket-ext": fields{"address_family": "AF_NONE"}}},
			"extensions.socket-ext.address_family", "", false, false},
		{"tcp", of("network-traffic"), fields{"extensions": fields{"tcp-ext": fields{"x_any": "00"}}}, "extensions.tcp-ext", "", false, false},
		// OBJ-22
		{"random id", of("process"), nil, "", "", false, false},
		{"process with a name-based id", of("process"), fields{"id": "process--8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f"}, "id", "", false, false},
		{"nothing contributes", of("user-account"), fields{"user_id": nil, "display_name": "d", "id": "user-account--8e2e2d2b-17d4-5cbf-938f-98ee46b3cd3f"}, "id", "", false, false},
		{"not the deterministic id", of("ipv4-addr"), nil, "id", "", true, false},
	})
}

func TestParseTime(t *testing.T) {
	got, ok := parseTime([]byte("2016-12-31T23:59:60.1234567899Z")) // OBJ-12
	if want := time.Date(2017, 1, 1, 0, 0, 0, 123456789, time.UTC); !ok || !got.Equal(want) {
		t.Errorf("second 60 is %v, %v, want %v", got, ok, want)
	}
	const sound = "2020-02-29T12:34:56.5Z"
	if _, ok := parseTime([]byte(sound)); !ok {
		t.Errorf("%s is no time", sound)
	}
	for i := range len(sound) { // no byte of it may be anything else
		if broken := sound[:i] + "x" + sound[i+1:]; broken != sound {
			if got, ok := parseTime([]byte(broken)); ok {
				t.Errorf("%s is %v", broken, got)
			}
		}
		if got, ok := parseTime([]byte(sound[:i])); ok {
			t.Errorf("%s is %v", sound[:i], got)
		}
	}
}

func TestLanguageTag(t *testing.T) {
	for tag, want := range map[string]bool{
		"de": true, "DE": true, "de-AT": true, "zh-Hant-TW": true, "es-419": true, "sl-rozaj-biske": true, "de-CH-1996": true,
		"gsw": true, "zh-yue-HK": true, "en-a-bbb-x-own": true, "x-own": true, "i-klingon": true, "de-x-a-b": true,
		"": false, "d": false, "qq": false, "de-": false, "-de": false, "de_AT": false, "d3": false, "de-AT-DE": false,
		"de-Latn-Latn": false, "de-a": false, "x": false, "abcdefghi": false, "de-abcdefghi": false, "e n": false, "de--AT": false,
	} {
		if got := languageTag([]byte(tag)); got != want { // OBJ-17
			t.Errorf("languageTag(%q) = %v", tag, got)
		}
	}
}
