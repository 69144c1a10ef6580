package admin

import (
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/node/access"
	"tocsin/node/admin/api"
	"tocsin/node/audit"
	"tocsin/node/backup"
	"tocsin/node/review"
	"tocsin/protocol/reason"
	"tocsin/protocol/trust"
)

// One principal's requests leave places for others, through whichever of its sessions they come; the owner may have them all. ADM-29
func TestShares(t *testing.T) {
	b := newBench(t)
	book, err := access.Open(filepath.Join(t.TempDir(), "access.json"), b.deps.Audit)
	ok(t, err)
	const here = "here"
	token := func(name string) access.Principal {
		_, secret, err := book.Create(access.With(t.Context(), access.Principal{Role: access.Owner}), name, access.Viewer, time.Now().Add(time.Hour), "")
		ok(t, err)
		who, err := book.Bearer(secret, here)
		ok(t, err)
		return who
	}
	session := func(of access.Principal) access.Principal {
		code, _, err := book.Code(access.With(t.Context(), of), access.Viewer)
		ok(t, err)
		_, who, _, err := book.Login(t.Context(), code, "curl", here)
		ok(t, err)
		return who
	}
	viewer, account := token("watcher"), access.Principal{Role: access.Viewer, Actor: audit.Actor{UID: 7, User: "ann", Via: access.ViaSocket}}
	s := newShares(6, 2)
	release, err := s.take(viewer, "follow events")
	ok(t, err)
	_, err = s.take(session(viewer), "follow events")
	ok(t, err)
	for _, again := range []access.Principal{viewer, session(viewer), session(viewer)} {
		_, err = s.take(again, "follow events")
		refused(t, err, reason.RequestRate)
	}
	for range 2 {
		_, err = s.take(account, "follow events")
		ok(t, err)
	}
	_, err = s.take(session(account), "follow events")
	refused(t, err, reason.RequestRate)
	for _, other := range []access.Principal{token("another"), {Role: access.Viewer, Actor: audit.Actor{UID: 8}}} {
		_, err = s.take(other, "follow events")
		ok(t, err)
	}
	owner := access.Principal{Role: access.Owner}
	_, err = s.take(owner, "follow events")
	refused(t, err, reason.RequestRate)
	release()
	release() // twice is once
	_, err = s.take(owner, "follow events")
	ok(t, err)
	_, err = s.take(viewer, "follow events")
	refused(t, err, reason.RequestRate)
}

// ADM-28: what a backup could carry out of the node, and where to, is the owner's to say.
func TestBackupIsTheOwners(t *testing.T) {
	b := &backupResource{runner: backup.NewRunner(backup.Deps{Folder: "relative", Keep: 4})}
	all := &backupResource{runner: backup.NewRunner(backup.Deps{Folder: "relative"})}
	operator := access.With(t.Context(), access.Principal{Role: access.Operator})
	for _, keep := range []int{0, 4, 9} { // no fewer than the schedule: on to the folder, which is none
		if _, err := b.create(operator, &struct{ Body api.BackupRequest }{api.BackupRequest{Full: true, Keep: keep}}); reason.Of(err) != reason.UsageInvalid {
			t.Errorf("keep %d: %v", keep, err)
		}
	}
	if _, err := all.create(operator, &struct{ Body api.BackupRequest }{api.BackupRequest{Full: true, Keep: 1000}}); reason.Of(err) != reason.RoleDenied {
		t.Errorf("keep some where all are kept: %v", err)
	}
	for name, r := range map[string]api.BackupRequest{
		"keys": {Keys: "/x/keys.age"}, "another folder": {Folder: "/x"}, "plain": {Plain: true}, "fewer": {Full: true, Keep: 3}, "one": {Keep: 1},
		"recipients": {Recipients: []string{"age1x"}}, "passphrase": {Passphrase: "x"}, "passphrase of keys": {KeysPassphrase: "x"},
	} {
		for _, role := range []access.Role{access.Operator, access.Analyst} {
			_, err := b.create(access.With(t.Context(), access.Principal{Role: role}), &struct{ Body api.BackupRequest }{r})
			if reason.Of(err) != reason.RoleDenied {
				t.Errorf("%s by %s: %v", name, role, err)
			}
		}
	}
	for name, c := range map[string]api.BackupCheck{"another folder": {Folder: "/x"}} {
		_, err := b.check(access.With(t.Context(), access.Principal{Role: access.Operator}), &struct{ Body api.BackupCheck }{c})
		if reason.Of(err) != reason.RoleDenied {
			t.Errorf("check %s: %v", name, err)
		}
	}
}

// ADM-23: who may not change the trust list does not keep others from it either.
func TestRejectingIsDeciding(t *testing.T) {
	d := newDesk(t)
	d.set(trust.Observed)
	id := d.propose(trust.Observed, trust.Partner)
	for _, accept := range []bool{true, false} {
		_, err := d.review.decide(access.With(t.Context(), access.Principal{Role: access.Analyst}), &reviewIn{id, api.ReviewDecision{Accept: accept, Reason: "no"}})
		if reason.Of(err) != reason.RoleDenied {
			t.Errorf("accept %v by an analyst: %v", accept, err)
		}
	}
	if items := d.review.queue.List(time.Now()); len(items) != 1 || items[0].Kind != review.Promotion {
		t.Errorf("waits: %+v", items)
	}
}

// An entry is changed under its own name only.
func TestEntryOfAnother(t *testing.T) {
	b := newBench(t)
	day := time.Now().AddDate(0, 1, 0).Format(time.DateOnly)
	_, err := b.client.AddTrust(t.Context(), api.TrustEntry{Org: b.other.Org.String(), Petname: "other", Level: "observed", Expires: day, Reason: "met"})
	ok(t, err)
	w := httptest.NewRecorder()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodPut, api.Prefix+"/trust/"+b.other.Org.String(), strings.NewReader(`{"org":"sha256:1111111111111111111111111111111111111111111111111111111111111111","petname":"x","level":"partner","expires":"`+day+`"}`))
	r.Header.Set("Content-Type", "application/json")
	asOwner(NewHandler(b.deps)).ServeHTTP(w, r)
	if w.Code != http.StatusBadRequest {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
