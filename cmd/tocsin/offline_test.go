package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/stix"
	"tocsin/storage"
)

// offline is an organisation with one node, for files that no running node wrote.
type offline struct{ *protocoltest.Author }

func newOffline(t *testing.T, network string) offline {
	t.Helper()
	a, err := protocoltest.Found(network, "Example CERT", time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return offline{a}
}

func (o offline) sign(t *testing.T, objects ...string) *protocol.Record {
	t.Helper()
	topic, err := protocol.ParseTopic("fraud")
	if err != nil {
		t.Fatal(err)
	}
	d := protocol.Draft{Topic: topic, Kind: protocol.KindObjects, TLP: stix.Green}
	for _, s := range objects {
		d.Objects = append(d.Objects, []byte(s))
	}
	r, err := o.Record(d)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// file writes a record file: the chain, then items.
func (o offline) file(t *testing.T, items ...protocol.FileItem) []byte {
	t.Helper()
	var all []protocol.FileItem
	for _, s := range o.Statements {
		all = append(all, protocol.FileItem{Statement: s})
	}
	raw, err := protocol.AppendFile(nil, append(all, items...)...)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// verifyBytes runs verify on bytes from stdin.
func verifyBytes(t *testing.T, raw []byte, args ...string) (int, verifyReport, string) {
	t.Helper()
	exit, out, errs := capture(t, bytes.NewReader(raw), append([]string{"verify", "-", "-o", "json"}, args...)...)
	var report verifyReport
	if err := json.Unmarshal(out, &report); err != nil {
		t.Fatalf("verify gave %q: %v", out, err)
	}
	return exit, report, errs
}

func TestVerifyHolds(t *testing.T) {
	isolate(t)
	o := newOffline(t, "main")
	r := o.sign(t, soundIndicator, `{"type":"x","id":"x--1"}`)
	proof, err := protocol.Prove(r, 1)
	if err != nil {
		t.Fatal(err)
	}
	exit, report, errs := verifyBytes(t, o.file(t, protocol.FileItem{Record: r.Raw()}, protocol.FileItem{Proof: proof}))
	if exit != exitDone || errs != "" || !report.OK || len(report.Items) != 5 {
		t.Fatalf("exit %d, stderr %s, report %+v", exit, errs, report)
	}
	record, single := report.Items[3], report.Items[4]
	org := o.Statements[0].Org().String()
	if record.Kind != "record" || record.Org != org || record.Record != r.ID().String() || len(record.Objects) != 2 ||
		record.Objects[0].Type != "indicator" || record.Topic != "fraud" || record.TLP != "TLP:GREEN" {
		t.Errorf("record: %+v", record)
	}
	if single.Kind != "proof" || single.Org != org || single.Record != r.ID().String() || len(single.Objects) != 1 ||
		single.Objects[0] != (verifiedObject{1, "x--1", "x", ""}) || record.Objects[0].Content == "" || record.Words == "" {
		t.Errorf("proof: %+v", single)
	}
	exit, out, _ := capture(t, bytes.NewReader(o.file(t, protocol.FileItem{Proof: proof})), "verify", "-")
	if text := string(out); exit != exitDone || !strings.Contains(text, org) || !strings.Contains(text, r.ID().String()) || !strings.Contains(text, "x--1") ||
		!strings.Contains(text, single.Words) || !strings.Contains(text, "\n\nVERDICT: the file holds, 4 items checked.") {
		t.Errorf("exit %d, text %s", exit, text)
	}
}

// One flipped bit anywhere in a record or a proof is found, and said.
func TestVerifyFails(t *testing.T) {
	isolate(t)
	o := newOffline(t, "main")
	r := o.sign(t, soundIndicator)
	proof, err := protocol.Prove(r, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, item := range map[string]protocol.FileItem{"record": {Record: r.Raw()}, "proof": {Proof: proof}} {
		raw := o.file(t, item)
		chain := len(o.file(t))
		for at := chain; at < len(raw); at += 7 {
			bad := bytes.Clone(raw)
			bad[at] ^= 1 << (at % 8)
			exit, report, errs := verifyBytes(t, bad)
			if exit != exitInvalid || report.OK || !strings.Contains(errs, `"code":`) {
				t.Errorf("%s with a bit flipped at %d: exit %d, %+v, stderr %s", name, at-chain, exit, report, errs)
			}
			for _, i := range report.Items {
				if strings.ContainsAny(i.Why, "\n[") || i.Why != "" && !i.OK && strings.Contains(errs, i.Why) {
					t.Errorf("%s with a bit flipped at %d: no plain text, or said twice: %q, stderr %s", name, at-chain, i.Why, errs)
				}
			}
		}
	}
	// An object that was changed leads to another root; both stand there as ids are written.
	bad := o.file(t, protocol.FileItem{Proof: bytes.Replace(proof, []byte(`"indicator"`), []byte(`"indicatox"`), 1)})
	_, report, _ := verifyBytes(t, bad)
	signed := r.Header().Root
	if why := report.Items[len(report.Items)-1].Why; !strings.Contains(why, fmt.Sprintf("the signed root %x: it leads to root ", signed[:])) {
		t.Errorf("a changed object: %s", why)
	}
	elsewhere := newOffline(t, "other")
	for name, c := range map[string]struct {
		raw  []byte
		args []string
		code string
	}{
		"empty":            {nil, nil, "wire.framing"},
		"no record file":   {[]byte("hello"), nil, "wire.framing"},
		"cut short":        {o.file(t)[:100], nil, "wire.framing"},
		"without chain":    {o.file(t, protocol.FileItem{Record: r.Raw()})[len(o.file(t)):], nil, "cert.unknown"},
		"half a chain":     {o.Statements[2].Raw(), nil, "cert.unknown"},
		"another network":  {elsewhere.file(t), nil, ""},
		"told the network": {o.file(t), []string{"--network", "other"}, ""},
	} {
		exit, report, errs := verifyBytes(t, c.raw, c.args...)
		if exit != exitInvalid || report.OK || !strings.Contains(errs, `"code":"`+c.code) {
			t.Errorf("%s: exit %d, %+v, stderr %s", name, exit, report, errs)
		}
	}
	if exit, report, _ := verifyBytes(t, elsewhere.file(t), "--network", "other"); exit != exitDone || !report.OK {
		t.Errorf("the right network: exit %d, %+v", exit, report)
	}
}

func TestFsck(t *testing.T) {
	isolate(t)
	data := t.TempDir()
	store := filepath.Join(data, "store")
	o := newOffline(t, "main")
	s, err := storage.Open(store, storage.Options{Network: "main"})
	if err != nil {
		t.Fatal(err)
	}
	r := o.sign(t, soundIndicator)
	modified := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	leaf := storage.Leaf{Object: "indicator--11111111-1111-4111-8111-111111111111", Type: "indicator", Modified: modified,
		State: storage.Accepted, Claim: true, Confidence: -1}
	if err := s.Accept(context.Background(), storage.Entry{Record: r, State: storage.Accepted, Leaves: []storage.Leaf{leaf}, Received: time.Now(), From: "local"}); err != nil {
		t.Fatal(err)
	}
	if exit, out, errs := capture(t, nil, "fsck", "--data", data, "-o", "json"); exit != exitConflict || len(out) > 0 || !strings.Contains(errs, `"code":"node.running"`) {
		t.Errorf("while the store is in use: exit %d, stdout %s, stderr %s", exit, out, errs)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var report fsckReport
	exit, out, errs := capture(t, nil, "fsck", "--data", data, "-o", "json")
	if err := json.Unmarshal(out, &report); err != nil || exit != exitDone || errs != "" || !report.OK || report.Records != 1 || report.Objects != 1 {
		t.Fatalf("sound store: exit %d, stdout %s, stderr %s (%v)", exit, out, errs, err)
	}
	damage(t, store, r.Raw())
	exit, out, errs = capture(t, nil, "fsck", "--data", data, "-o", "json")
	if exit != exitInvalid || countJSON(t, out) != 1 || !strings.Contains(errs, `"code":"store.damaged"`) {
		t.Errorf("damaged store: exit %d, stdout %s, stderr %s", exit, out, errs)
	}
}

// damage flips one bit of stored bytes, wherever in the store they are.
func damage(t *testing.T, store string, stored []byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(store, "*"))
	if err != nil {
		t.Fatal(err)
	}
	hit := 0
	for _, file := range files {
		raw, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if i := bytes.Index(raw, stored); i >= 0 {
			raw[i+len(stored)/2] ^= 1
			hit++
			if err := os.WriteFile(file, raw, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if hit == 0 {
		t.Fatal("the record's bytes are nowhere in the store")
	}
}
