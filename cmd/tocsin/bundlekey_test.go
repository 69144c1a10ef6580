package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"filippo.io/age"

	"tocsin/node/admin/api"
	"tocsin/protocol/reason"
)

// The file that is made opens what is encrypted for the recipient that is told, and is never written over.
func TestBundleKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "me.age")
	k, err := makeBundleKey(path)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info, err)
	}
	opens, err := (&bundleLock{identities: []string{path}}).openers(t.Context(), nil)
	if err != nil || len(opens) != 1 {
		t.Fatalf("%v, %v", opens, err)
	}
	if got := opens[0].(*age.X25519Identity).Recipient().String(); got != k.Recipient {
		t.Errorf("%s, told %s", got, k.Recipient)
	}
	to, _, err := (&bundleLock{recipients: []string{k.Recipient}}).keys(t.Context(), nil)
	if err != nil || len(to) != 1 {
		t.Errorf("%v, %v", to, err)
	}
	if _, err := makeBundleKey(path); reason.Of(err) != reason.Conflict {
		t.Errorf("a second key: %v", err)
	}
	if _, err := makeBundleKey(filepath.Join(path, "below")); err == nil || strings.Contains(err.Error(), "AGE-SECRET") {
		t.Errorf("below a file: %v", err)
	}
}

// The file beside what is bad names the code once.
func TestFaultText(t *testing.T) {
	err := reason.New(reason.BundleDamaged, "cut short")
	for _, detail := range []string{"cut short", err.Error()} {
		if got := faultText(api.BundleFault{Code: string(reason.BundleDamaged), Detail: detail}); strings.Count(got, "bundle.damaged") != 1 {
			t.Errorf("%q makes %q", detail, got)
		}
	}
}
