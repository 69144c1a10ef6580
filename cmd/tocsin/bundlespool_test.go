package main

import (
	"context"
	"errors"
	"testing"

	"tocsin/protocol/reason"
)

// A spool that runs for years stays when the disk is full for an hour, or somebody else exports at the same moment.
func TestSpoolStays(t *testing.T) {
	for _, code := range []reason.Code{reason.StoreFull, reason.Conflict, reason.Interrupted, reason.NodeNotFound, reason.NodeStarting, reason.TimedOut} {
		if !passing(reason.New(code, "now")) {
			t.Errorf("%s ends it", code)
		}
	}
	for _, err := range []error{nil, errors.New("a fault"), reason.New(reason.UsageInvalid, "state"), reason.New(reason.AccessDenied, "folder"), reason.New(reason.StoreDamaged, "change")} {
		if passing(err) {
			t.Errorf("%v is tried for ever", err)
		}
	}
	if !passing(context.DeadlineExceeded) {
		t.Error("a look that took too long ends it")
	}
}
