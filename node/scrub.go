package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"tocsin/node/audit"
	"tocsin/node/intake"
	"tocsin/node/scrub"
	"tocsin/protocol"
	"tocsin/protocol/reason"
	"tocsin/storage"
)

// newScrub wires what looks for damage in the store.
func (n *Node) newScrub(chains func() *protocol.Chains) *scrub.Keeper {
	n.disk.chains = chains
	return scrub.New(scrub.Deps{
		Store: n.Store,
		Fetch: n.catchup.Fetch,
		Take:  func(ctx context.Context, raw []byte) error { return n.take(ctx, raw, chains()) },
		Note: func(ctx context.Context, e audit.Event) error {
			_, err := n.Audit.Append(ctx, e)
			return err
		},
	})
}

// take takes a record in that was here before.
func (n *Node) take(ctx context.Context, raw []byte, chains *protocol.Chains) error {
	r, err := protocol.VerifyOffline(raw, chains)
	if err != nil {
		return err
	}
	from := "repair"
	if r.Org() == n.own {
		from = intake.Local
	}
	if _, err := n.intake.Receive(ctx, r, from); err != nil {
		return fmt.Errorf("take record %s in again: %w", r.ID(), err)
	}
	return nil
}

// takeLeft takes in what a repair left. It comes before anything is signed: the node's own records may be among it.
func (n *Node) takeLeft(ctx context.Context) {
	if n.disk.store != "" {
		n.takeLoose(ctx, storage.LooseDir(n.disk.store), n.disk.chains())
	}
}

// takeLoose takes in what a repair of the store left to be judged anew. A file goes when its record is durable; what does not
// verify stays where it is.
func (n *Node) takeLoose(ctx context.Context, dir string, chains *protocol.Chains) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	taken := 0
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		raw, err := readBounded(path, protocol.MaxRecordBytes)
		if err == nil {
			err = n.take(ctx, raw, chains)
		}
		if err == nil || reason.Of(err) == reason.DupHeld {
			taken++
			err = os.Remove(path)
		}
		if err != nil {
			log.Errorw("record of the damaged store was not taken in", "file", path, "err", err)
		}
	}
	if taken == len(files) {
		err = os.Remove(dir)
	}
	log.Infow("records of the damaged store taken in again", "records", taken, "of", len(files), "err", err)
}

func readBounded(path string, most int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err == nil && info.Size() > most {
		err = fmt.Errorf("%d bytes are no record", info.Size())
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}
