package main

import (
	"bytes"
	"strings"
	"testing"

	"tocsin/node/admin/api"
)

// What a preview says, to the line.
func TestShowPreview(t *testing.T) {
	known := api.AudienceOrg{Org: "sha256:" + strings.Repeat("ab", 32), Name: "Other CERT", Country: "FI", Level: "unknown", Peers: 2}
	for name, c := range map[string]struct {
		change func(*api.PublishResult)
		want   string
	}{
		"nobody": {func(*api.PublishResult) {}, `No peer that is connected takes part now; others get it by catch-up.`},
		"some": {func(r *api.PublishResult) {
			r.Preview.Audience = api.Audience{Open: true, Peers: 3, Unnamed: 1, Orgs: []api.AudienceOrg{known}}
		}, `Connected now, and so at the least: 1 organisation and 1 peer whose organisation is not known yet:
ORGANISATION         CALLS ITSELF  COUNTRY  LEVEL
sha256:abababababab  Other CERT    FI       unknown`},
		"strangers": {func(r *api.PublishResult) { r.Preview.Audience = api.Audience{Open: true, Peers: 2, Unnamed: 2} },
			`Connected now, and so at the least: 2 peers whose organisation is not known yet.`},
	} {
		res := &api.PublishResult{Objects: 3, Upgraded: 1, Preview: &api.PublishPreview{
			Types: map[string]int{"malware": 1, "indicator": 2}, Markings: map[string]int{"TLP:GREEN": 3}, Values: 1, Audience: api.Audience{Open: true}}}
		c.change(res)
		var out bytes.Buffer
		g := &globals{format: "text", color: "never", streams: streams{err: new(bytes.Buffer)}}
		g.showPublished(&out, api.PublishParams{Topic: "fraud"}, res)
		want := `Would publish 3 objects on fraud. Nothing was signed.
  2 indicator, 1 malware
  marked 3 TLP:GREEN
  1 different value that receivers can look up
Whoever takes part in fraud reads it, now or later, and it cannot be called back. ` + c.want + `
1 object came as STIX 2.0 and was upgraded to 2.1; what would be signed is the 2.1 form.
`
		if got := strings.ReplaceAll(out.String(), " \n", "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}
