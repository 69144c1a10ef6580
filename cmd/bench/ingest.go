package main

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/dgraph-io/badger/v4"
	"golang.org/x/sync/errgroup"

	"tocsin/node/breaker"
	"tocsin/node/identity"
	"tocsin/node/intake"
	"tocsin/node/policy"
	"tocsin/node/standing"
	"tocsin/node/warnings"
	"tocsin/protocol"
	"tocsin/protocol/trust"
	"tocsin/storage"
)

// reportIngest compares: verified, parsed, indexed and durable.
func reportIngest(ctx context.Context, rounds, objects int) error {
	contenders := []struct {
		name string
		run  func(context.Context, *corpus, string) (int, error)
	}{
		{"limit: hash each object, append, fsync", ingestLimit},
		{"reference: object at a time", ingestReference},
		{"product: Verify and Receive", ingestProduct},
	}
	costs := make([][]time.Duration, len(contenders))
	for round := range rounds {
		c, err := newCorpus(byte(round+1), objects)
		if err != nil {
			return err
		}
		for i, con := range contenders {
			dir, err := os.MkdirTemp("", "tocsin-bench-")
			if err != nil {
				return err
			}
			s, err := measure(func() (int, error) { return con.run(ctx, c, dir) })
			if err = errors.Join(err, os.RemoveAll(dir)); err != nil {
				return fmt.Errorf("%s: %w", con.name, err)
			}
			costs[i] = append(costs[i], s.perUnit())
		}
	}
	fmt.Printf("\ningest: CPU per object, %d objects of about 1.1 KB in records of %d, %d rounds\n", objects, perRecord, rounds)
	reference, product := spreadOf(costs[1]).median, spreadOf(costs[2]).median
	for i, con := range contenders {
		s := spreadOf(costs[i])
		fmt.Printf("  %-40s %s  %9.0f objects/s/core\n", con.name, s, float64(time.Second)/float64(s.median))
	}
	fmt.Printf("  product is %.1f times the reference (aim 8), %.1f times the limit's cost\n",
		float64(reference)/float64(product), float64(product)/float64(spreadOf(costs[0]).median))
	return nil
}

// ingestLimit hashes every object, appends the records and syncs once per MiB.
func ingestLimit(_ context.Context, c *corpus, dir string) (int, error) {
	f, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return 0, err
	}
	defer f.Close()
	for _, o := range c.objects {
		_ = sha256.Sum256(o)
	}
	pending := 0
	for _, r := range c.records {
		if _, err := f.Write(r); err != nil {
			return 0, err
		}
		if pending += len(r); pending > 1<<20 {
			if err := f.Sync(); err != nil {
				return 0, err
			}
			pending = 0
		}
	}
	return len(c.objects), f.Sync()
}

// plain is what the reference decodes.
type plain struct {
	ID         string    `json:"id"`
	Type       string    `json:"type"`
	Created    time.Time `json:"created"`
	Modified   time.Time `json:"modified"`
	Name       string    `json:"name"`
	Pattern    string    `json:"pattern"`
	Labels     []string  `json:"labels"`
	Confidence int       `json:"confidence"`
}

// ingestReference verifies, decodes and stores each object by itself with four
// index keys, 256 objects to a synced transaction: kind to the reference, since
// one transaction an object would be many times slower.
func ingestReference(_ context.Context, c *corpus, dir string) (int, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithSyncWrites(true).WithLogger(nil))
	if err != nil {
		return 0, err
	}
	defer db.Close()
	const perCommit = 256
	for i := 0; i < len(c.signed); i += perCommit {
		err := db.Update(func(tx *badger.Txn) error {
			for _, m := range c.signed[i:min(i+perCommit, len(c.signed))] {
				if err := storePlain(tx, c.public, m); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return i, err
		}
	}
	return len(c.signed), nil
}

func storePlain(tx *badger.Txn, public ed25519.PublicKey, m []byte) error {
	sig, object := m[:ed25519.SignatureSize], m[ed25519.SignatureSize:]
	if !ed25519.Verify(public, object, sig) {
		return errors.New("bad signature")
	}
	var o plain
	if err := json.Unmarshal(object, &o); err != nil {
		return err
	}
	id := sha256.Sum256(object)
	if err := tx.Set(id[:], m); err != nil {
		return err
	}
	for _, key := range []string{"i/" + o.ID, "p/" + o.Pattern, "t/" + o.Type + "/" + o.ID, "m/" + o.Modified.String() + o.ID} {
		if err := tx.Set([]byte(key), id[:]); err != nil {
			return err
		}
	}
	return nil
}

// ingestProduct takes records as gossip does: Verify, then Receive until durable,
// four at a time as the subscriber does.
func ingestProduct(ctx context.Context, c *corpus, dir string) (int, error) {
	in, store, err := newPipeline(c.chains, c.org, dir)
	if err != nil {
		return 0, err
	}
	var objects atomic.Int64
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for _, raw := range c.records {
		g.Go(func() error {
			r, err := protocol.Verify(raw, c.chains, time.Now())
			if err != nil {
				return err
			}
			out, err := in.Receive(ctx, r, "bench")
			objects.Add(int64(out.Accepted))
			return err
		})
	}
	err = finish(g, store, &objects, len(c.objects))
	return int(objects.Load()), err
}

func finish(g *errgroup.Group, store *storage.Store, got *atomic.Int64, want int) error {
	err := errors.Join(g.Wait(), store.Close())
	if err == nil && got.Load() != int64(want) {
		return fmt.Errorf("%d of %d objects were accepted", got.Load(), want)
	}
	return err
}

// newPipeline opens a store on disk behind an intake that trusts the publisher.
func newPipeline(chains *protocol.Chains, org protocol.OrgID, dir string) (*intake.Pipeline, *storage.Store, error) {
	book, err := policy.Open(filepath.Join(dir, "none.toml"), filepath.Join(dir, "trust.toml"))
	if err != nil {
		return nil, nil, err
	}
	err = book.Set(trust.Entry{Org: org, Petname: "bench", Level: trust.Anchor, Expires: time.Now().AddDate(0, 6, 0), Reason: "benchmark"})
	if err != nil {
		return nil, nil, err
	}
	id, err := identity.Open(filepath.Join(dir, "identity.cbor"), network)
	if err != nil {
		return nil, nil, err
	}
	if _, errs := id.Add(chains.Chain(org)...); len(errs) > 0 {
		return nil, nil, errs[0]
	}
	store, err := storage.Open(filepath.Join(dir, "store"), storage.Options{})
	if err != nil {
		return nil, nil, err
	}
	stands, err := standing.Open(filepath.Join(dir, "standing.json"), id.Chains)
	if err != nil {
		return nil, nil, err
	}
	lists, err := warnings.Open(filepath.Join(dir, "warninglists"))
	if err != nil {
		return nil, nil, err
	}
	return intake.New(intake.Deps{
		Store: store, Policy: book, Identity: id, Standing: stands, Warnings: lists,
		Breakers: breaker.Open(filepath.Join(dir, "breakers.json"), stands, nil),
	}), store, nil
}
