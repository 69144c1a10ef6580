package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"tocsin/node"
	"tocsin/node/identity"
	"tocsin/protocol"
	"tocsin/protocol/protocoltest"
	"tocsin/protocol/stix"
)

// What stands beside the objects of the one large publisher, so that no list is short.
const (
	seedOrgs      = 500 // listed organisations: each has two key logs that lack a place, a vouch, an advisory and a commitment
	seedStrangers = 5   // each has records in quarantine
	seedHeld      = 200 // records of each stranger
	seedAtOnce    = 64  // how many records are on their way into the store
)

// seededNode makes a node out of a filled store and many organisations with a little each.
func seededNode(ctx context.Context, dir string) (paths node.Paths, cfg node.Config, err error) {
	data := filepath.Join(dir, "node")
	paths = node.Paths{Config: data, Data: data, Runtime: data} // so that it takes a free port
	cfg = node.Config{Listen: []string{"/ip4/127.0.0.1/tcp/0"}, Network: network, QuarantineMB: 1 << 20}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return paths, cfg, err
	}
	if _, err := node.Init(paths, cfg, node.Profile{Name: "Bench CERT", Country: "PT"}); err != nil {
		return paths, cfg, err
	}
	// The pipeline wants all in one folder; a node has its store beside the folder of the rest.
	state := paths.State()
	if err := errors.Join(os.Rename(filepath.Join(dir, "store"), filepath.Join(state, "store")),
		os.Rename(filepath.Join(dir, "trust.toml"), paths.TrustState())); err != nil {
		return paths, cfg, err
	}
	if err := seed(ctx, state, filepath.Join(dir, "identity.cbor")); err != nil {
		return paths, cfg, fmt.Errorf("add organisations: %w", err)
	}
	return paths, cfg, os.Rename(filepath.Join(state, "store"), paths.Store())
}

// seed makes the organisations known, lists them all but the strangers, and stores what they say.
func seed(ctx context.Context, state, filled string) error {
	chance := rand.NewChaCha8([32]byte{7})
	all := make([]*publisher, seedOrgs+seedStrangers)
	for i := range all {
		a, err := protocoltest.Found(network, fmt.Sprintf("org %d", i), time.Now(), chance)
		if err != nil {
			return err
		}
		all[i] = &publisher{a, chance}
	}
	before, err := identity.Open(filled, network)
	if err != nil {
		return err
	}
	if err := introduce(state, before.Chains(), all); err != nil {
		return err
	}
	in, store, err := newPipeline(before.Chains(), before.Chains().Orgs()[0], state)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(seedAtOnce)
	take := func(r *protocol.Record) {
		g.Go(func() error {
			_, err := in.Receive(ctx, r, "bench")
			return err
		})
	}
	for i, p := range all {
		if i < seedOrgs {
			err = p.member(all[(i+1)%seedOrgs].Org, take)
		} else {
			err = p.stranger(take)
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, g.Wait(), store.Close())
}

// introduce writes chains and trust list where the pipeline and the node look for them.
func introduce(state string, before *protocol.Chains, all []*publisher) error {
	book, err := identity.Open(filepath.Join(state, "identity.cbor"), network)
	if err != nil {
		return err
	}
	var statements []*protocol.Statement
	for _, org := range before.Orgs() {
		statements = append(statements, before.Chain(org)...)
	}
	list, err := os.OpenFile(filepath.Join(state, "trust.toml"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	for i, p := range all {
		statements = append(statements, p.Statements...)
		if i < seedOrgs {
			fmt.Fprintf(list, "\n[[org]]\nid = %q\npetname = \"org %d\"\nlevel = \"partner\"\nexpires = %s\nreason = \"benchmark\"\n", p.Org, i, time.Now().AddDate(0, 6, 0).Format(time.DateOnly))
		}
	}
	_, errs := book.Add(statements...)
	return errors.Join(append(errs, list.Close())...)
}

// member gives what a listed organisation says: objects of two topics with a place missing between them, and pledges.
func (p *publisher) member(subject protocol.OrgID, take func(*protocol.Record)) error {
	now := time.Now()
	var evidence protocol.RecordID
	for _, name := range []string{"malicious-code", "fraud"} {
		topic, err := protocol.ParseTopic(name)
		if err != nil {
			return err
		}
		for _, place := range []uint64{1, 3} {
			r, err := p.Record(protocol.Draft{Topic: topic, Kind: protocol.KindObjects, Sequence: place, Created: now, TLP: stix.Green, Objects: [][]byte{indicator(p.rand, int(place))}})
			if err != nil {
				return err
			}
			take(r)
			evidence = r.ID()
		}
	}
	until := now.AddDate(0, 1, 0)
	vouch, err := protocol.Vouch{Subject: subject, Until: until, Reason: "benchmark"}.Encode()
	if err != nil {
		return err
	}
	commitment, err := protocol.Commitment{Onward: stix.Green, Retraction: time.Hour, Until: until}.Encode()
	if err != nil {
		return err
	}
	advisory, err := protocol.Advisory{Subject: subject, Text: "benchmark", Evidence: []protocol.RecordID{evidence}, Until: until}.Encode()
	if err != nil {
		return err
	}
	bodies := map[protocol.Kind][]byte{protocol.KindVouch: vouch, protocol.KindCommitment: commitment, protocol.KindAdvisory: advisory}
	for kind, body := range bodies {
		r, err := p.Record(protocol.Draft{Topic: protocol.TopicControl, Kind: kind, Created: now, TLP: stix.Clear, Defaults: protocol.Defaults{Confidence: -1}, Body: body})
		if err != nil {
			return err
		}
		take(r)
	}
	return nil
}

// stranger gives full records, which are held: nobody lists their publisher.
func (p *publisher) stranger(take func(*protocol.Record)) error {
	for range seedHeld {
		batch := make([][]byte, perRecord)
		for i := range batch {
			batch[i] = indicator(p.rand, i)
		}
		r, err := p.record(batch)
		if err != nil {
			return err
		}
		take(r)
	}
	return nil
}
