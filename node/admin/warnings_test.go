package admin

import (
	"os"
	"path/filepath"
	"testing"

	"tocsin/node/audit"
	"tocsin/protocol/reason"
)

func TestWarnings(t *testing.T) {
	b := newBench(t)
	dir := b.deps.Warnings.Folder()
	ok(t, os.Mkdir(dir, 0o755))
	ok(t, os.WriteFile(filepath.Join(dir, "assets.txt"), []byte("bank.example\nnot a host\n"), 0o644))
	before, err := b.client.Warnings(t.Context())
	ok(t, err)
	after, err := b.client.ReloadWarnings(t.Context())
	ok(t, err)
	if len(after.Items) != len(before.Items)+1 || before.Version != 0 || after.Version != 1 || after.Folder != dir {
		t.Fatalf("lists before %+v\nafter %+v", before, after)
	}
	if l := after.Items[0]; l.Name != "assets" || l.File != "assets.txt" || !l.Hard || l.Entries != 1 || l.Skipped != 1 || l.Type != "hostname" {
		t.Errorf("assets %+v", l)
	}

	list, err := b.client.CheckWarnings(t.Context(), []string{"hxxps://www[.]bank[.]example/x", "0x08.8.8.8", "bаnk.example", "clean.example"})
	ok(t, err)
	own, resolver, like, clean := list.Items[0], list.Items[1], list.Items[2], list.Items[3]
	if len(own.Lists) != 1 || own.Lists[0].List != "assets" || own.Lists[0].Entry != "bank.example" || !own.Lists[0].Hard || own.Lists[0].Weight != 0.95 || own.Type != "url" || own.LooksLike != nil {
		t.Errorf("own asset %+v", own)
	}
	if len(resolver.Lists) != 1 || resolver.Lists[0].List != "builtin/public-resolvers" || resolver.Normal != "8.8.8.8" {
		t.Errorf("resolver %+v", resolver)
	}
	if len(like.Lists) != 0 || like.LooksLike == nil || like.LooksLike.Entry != "bank.example" {
		t.Errorf("look-alike %+v", like)
	}
	if clean.Lists == nil || len(clean.Lists) != 0 || clean.LooksLike != nil {
		t.Errorf("clean %+v", clean)
	}
	_, err = b.client.CheckWarnings(t.Context(), []string{})
	refused(t, err, reason.UsageInvalid)

	// What is refused is written down too, and changes nothing.
	ok(t, os.WriteFile(filepath.Join(dir, "broken.json"), []byte("{"), 0o644))
	_, err = b.client.ReloadWarnings(t.Context())
	refused(t, err, reason.WarnFile)
	if still, err := b.client.Warnings(t.Context()); err != nil || still.Version != 1 || len(still.Items) != len(after.Items) {
		t.Errorf("after a refused reload: %+v, %v", still, err)
	}
	entries, err := b.deps.Audit.Last(10, audit.Filter{Action: "warnings"})
	ok(t, err)
	var actions []string
	for _, e := range entries {
		actions = append(actions, e.Action)
	}
	if len(actions) != 3 || actions[2] != "warnings.reload.failed" || entries[0].Actor.UID != os.Getuid() {
		t.Errorf("audit log %v, %+v", actions, entries)
	}
}
