package node

import (
	"reflect"
	"strings"
	"testing"

	"tocsin/protocol/reason"
)

// What the node says of its configuration is all of it, under the names of tocsin.toml, and none of it is a secret: keys are named by
// the paths of their files, and a private key where a public one belongs is refused without being repeated.
func TestSettingsShown(t *testing.T) {
	c := Config{Network: "test", AdminTLSKey: "admin.key", BackupRecipients: []string{"age1x"}}.WithDefaults()
	shown := settingsOf(c, map[string]string{"network": "TOCSIN_NETWORK"})
	fields := reflect.TypeFor[Config]()
	if len(shown) != fields.NumField() {
		t.Fatalf("%d of %d settings", len(shown), fields.NumField())
	}
	by := map[string]string{}
	for i, s := range shown {
		if want := fields.Field(i).Tag.Get("toml"); s.Name != want {
			t.Errorf("setting %d is %s, want %s", i, s.Name, want)
		}
		by[s.Name] = string(s.Value) + " " + s.Origin
	}
	if by["network"] != `"test" TOCSIN_NETWORK` || by["admin_tls_key"] != `"admin.key" ` || by["quarantine_days"] != "30 " {
		t.Errorf("shown %v", by)
	}
	for _, word := range []string{"password", "passphrase", "secret", "token"} {
		for name := range by {
			if strings.Contains(name, word) {
				t.Errorf("%s would be shown to whoever may read the configuration", name)
			}
		}
	}
	const private = "AGE-SECRET-KEY-1QQPZRY9X8GF2TVDW0S3JN54KHCE6MUA7LQQPZRY9X8GF2TVDW0S3JN54"
	err := (&Config{BackupRecipients: []string{private}}).Validate()
	if reason.Of(err) != reason.ConfigInvalid || strings.Contains(err.Error(), private) {
		t.Errorf("a private key for a recipient: %v", err)
	}
}
