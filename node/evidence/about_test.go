package evidence

import "testing"

// EVD-22: what an object says is found in each kind of object, and cannot be followed by a click.
func TestDescribe(t *testing.T) {
	for raw, want := range map[string]About{
		`{"type":"indicator","id":"indicator--1","name":"n","pattern":"[ipv4-addr:value = '1.2.3.4']"}`:                 {"indicator--1", "indicator", "[ipv4-addr:value = '1[.]2[.]3[.]4']"},
		`{"type":"indicator","pattern":"[file:hashes.'SHA-256' = 'ab']"}`:                                               {"", "indicator", "[file:hashes.'SHA-256' = 'ab']"},
		`{"type":"url","value":"https://u:p@x.example./a.b?c=://"}`:                                                     {"", "url", "https[://]u:p[@]x[.]example[.]/a[.]b?c=[://]"},
		`{"type":"note","abstract":"It ends. See x.example."}`:                                                          {"", "note", "It ends. See x[.]example."},
		`{"type":"file","name":"a.exe","hashes":{"SHA-256":"cd","MD5":"ab","x":1}}`:                                     {"", "file", "MD5 ab, SHA-256 cd"},
		`{"type":"file","name":"a.exe","hashes":{}}`:                                                                    {"", "file", "a[.]exe"},
		`{"type":"relationship","relationship_type":"indicates","source_ref":"indicator--1","target_ref":"malware--2"}`: {"", "relationship", "indicator--1 indicates malware--2"},
		`{"type":"sighting","sighting_of_ref":"indicator--1"}`:                                                          {"", "sighting", "indicator--1"},
		`{"Type":"x","ID":"y","Value":"z"}`:                                                                             {},
		`{"value":"a","value":"b"}`:                                                                                     {"", "", "b"},
		`{"type":1,"value":["a"],"hashes":"x","name":{}}`:                                                               {},
		`{"value":"a\u001b\n\u202e"}`:                                                                                   {"", "", "a???"},
		`[]`:                                                                                                            {}, `null`: {}, ``: {}, `{"value":`: {}, "\x00\xff": {},
	} {
		if got := Describe([]byte(raw)); got != want {
			t.Errorf("%s: %+v, want %+v", raw, got, want)
		}
	}
}
