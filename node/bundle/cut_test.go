package bundle

import (
	"bytes"
	"strings"
	"testing"

	"filippo.io/age"

	"tocsin/protocol/reason"
)

// TestEmpty: a file of nothing is what a road leaves that broke off, and no bundle that is done with.
func TestEmpty(t *testing.T) {
	out, err := Import(t.Context(), newHouse(t).sink(), strings.NewReader(""))
	must(t, err)
	if out.Segments != 0 || len(out.Faults) != 1 {
		t.Fatalf("%+v", out)
	}
	wantCode(t, out.Faults[0], reason.BundleDamaged)
	raw, _ := filled(t).export()
	var look Inspection
	must(t, look.Inspect(bytes.NewReader(raw), network))
	must(t, look.Inspect(strings.NewReader(""), ""))
	if len(look.Bundles) != 1 || len(look.Faults) != 1 {
		t.Errorf("a look finds %d bundles and %d faults", len(look.Bundles), len(look.Faults))
	}
}

// TestCutNetwork: of a bundle that is cut off, or damaged at its start, the network is known as long as a head is there.
func TestCutNetwork(t *testing.T) {
	raw, _ := filled(t).export()
	parts := split(t, raw)
	if len(parts) < 2 {
		t.Fatalf("%d segments", len(parts))
	}
	first := parts[0].raw
	var look Inspection
	cut := first[:len(first)-1]
	must(t, look.Inspect(bytes.NewReader(cut), NetworkOf(bytes.NewReader(cut))))
	if len(look.Faults) != 1 || !strings.Contains(look.Faults[0].Error(), "cut short: 1 bytes are missing") {
		t.Errorf("cut by a byte: %v", look.Faults)
	}
	for name, c := range map[string]struct {
		raw  []byte
		want string
	}{
		"cut within the body": {cut, network},
		"bad first magic":     {flipped(raw, 0), network},
		"cut within the head": {first[:len(magic)+4], ""},
		"no bundle":           {[]byte("something else"), ""},
		"nothing":             {nil, ""},
		"magic over and over": {bytes.Repeat([]byte(magic), 3*maxFaults), ""},
	} {
		if got := NetworkOf(bytes.NewReader(c.raw)); got != c.want {
			t.Errorf("%s: network %q, want %q", name, got, c.want)
		}
	}
}

// TestUnopened: whoever typed a wrong passphrase is not told about keys.
func TestUnopened(t *testing.T) {
	key, err := age.GenerateX25519Identity()
	must(t, err)
	phrase, err := age.NewScryptIdentity("wrong")
	must(t, err)
	var sealed bytes.Buffer
	to, err := age.NewScryptRecipient("right")
	must(t, err)
	to.SetWorkFactor(4)
	w, err := age.Encrypt(&sealed, to)
	must(t, err)
	must(t, w.Close())
	for _, c := range []struct {
		with []age.Identity
		want string
	}{
		{[]age.Identity{phrase}, "the passphrase does not open"},
		{[]age.Identity{key}, "encrypted with a passphrase, or for other keys"},
		{[]age.Identity{key, phrase}, "neither the passphrase nor the keys"},
	} {
		_, locked, err := Unlock(bytes.NewReader(sealed.Bytes()), c.with...)
		wantCode(t, err, reason.BundleLocked)
		if !locked || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}
