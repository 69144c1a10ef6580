package main

import (
	"context"
	"testing"
	"time"
)

// TestContenders: each contender does all the work that its figure is about.
func TestContenders(t *testing.T) {
	const objects = 250 // the last record is not full
	c, err := newCorpus(1, objects)
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(context.Context, *corpus, string) (int, error){
		"limit": ingestLimit, "reference": ingestReference, "product": ingestProduct,
	} {
		if n, err := run(context.Background(), c, t.TempDir()); n != objects || err != nil {
			t.Errorf("%s: %d of %d objects: %v", name, n, objects, err)
		}
	}
}

// TestForged: a contender that skipped its verification would be no fair one.
func TestForged(t *testing.T) {
	c, err := newCorpus(2, 10)
	if err != nil {
		t.Fatal(err)
	}
	c.signed[3][70] ^= 1
	c.records[0][len(c.records[0])-1] ^= 1
	if _, err := ingestReference(context.Background(), c, t.TempDir()); err == nil {
		t.Error("the reference took a forged object")
	}
	if _, err := ingestProduct(context.Background(), c, t.TempDir()); err == nil {
		t.Error("the product took a forged record")
	}
}

func TestSpread(t *testing.T) {
	if got := spreadOf([]time.Duration{5, 1, 3}); got != (spread{median: 3, low: 1, high: 5}) {
		t.Errorf("spread %+v", got)
	}
}
