package admin

import (
	"testing"

	"tocsin/protocol/reason"
)

// An address that other machines reach needs a certificate (ADM-01).
func TestPlainOnlyOnLoopback(t *testing.T) {
	for addr, fits := range map[string]bool{
		"127.0.0.1:0": true, "[::1]:0": true, "127.9.9.9:0": true, "[::ffff:127.0.0.1]:0": true,
		"0.0.0.0:0": false, "[::]:0": false, "192.0.2.1:8470": false, "localhost:0": false, "": false,
	} {
		err := Port{Listen: []string{addr}}.CheckPlain()
		if fits != (err == nil) {
			t.Errorf("%q: %v", addr, err)
		}
		if !fits {
			refused(t, err, reason.ConfigInvalid)
		}
	}
}
