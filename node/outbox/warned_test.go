package outbox

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"tocsin/protocol/reason"
	"tocsin/protocol/stix"
)

// TestWarned: what every node would hold, and count against us, does not go out and is
// named; the rest does. Taking such a claim back goes out.
func TestWarned(t *testing.T) {
	o := newOffice(t)
	object := func(n int, value, more string) string {
		return fmt.Sprintf(`{"type":"indicator","spec_version":"2.1","id":"indicator--00000000-0000-4000-8000-%012d","created":"2026-01-01T00:00:00.000Z","modified":"2026-01-01T00:00:00.000Z",%s"pattern":"[ipv4-addr:value = '%s']","pattern_type":"stix","valid_from":"2026-01-01T00:00:00Z"}`,
			n, more, value)
	}
	objects := []string{object(1, "8.8.8.8", ""), object(2, "45.9.148.7", ""), object(3, "8.8.8.8", `"revoked":true,`)}
	res, err := o.Publish(context.Background(), Request{Topic: topic(t, "fraud"), TLP: stix.Green, Confidence: -1, Data: []byte("[" + strings.Join(objects, ",") + "]")})
	check(t, err)
	if res.Objects != 2 || res.Denied != 1 || len(res.Skipped) != 1 {
		t.Fatalf("%d went out, %d denied, skipped %+v", res.Objects, res.Denied, res.Skipped)
	}
	if s := res.Skipped[0]; s.Code != reason.WarnHard || !strings.HasSuffix(s.ID, "1") || !strings.Contains(s.Reason, "warning list") {
		t.Errorf("%+v", s)
	}
}
