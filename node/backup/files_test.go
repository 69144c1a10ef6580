package backup

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// backedUp lists what the file part of the newest backup holds, in the order in which it was written.
func (w *world) backedUp() (names []string) {
	w.t.Helper()
	c, err := openChain(w.folder, "", w.access())
	check(w.t, err)
	defer c.close()
	check(w.t, c.readFiles(context.Background(), sink{file: func(name string, _ uint32, _ uint64) (io.WriteCloser, error) {
		names = append(names, name)
		return nowhere{}, nil
	}}))
	return names
}

// TestNoKeyByAnotherName: a private key gets into no backup by a name that does not say so, or by a link.
func TestNoKeyByAnotherName(t *testing.T) {
	w := newWorld(t)
	w.write("keys/record.key", "# tocsin private key.\n# of the node\ntocsin-key-1 ed25519 c2VjcmV0\n")
	w.write("state/host.key.bak", "# tocsin private key.\ntocsin-key-1 ed25519 c2VjcmV0\n")
	w.write("state/deep/identity", "# made today\nAGE-SECRET-KEY-1QQQ\n")
	w.write("state/notes", "a tocsin-key-1 is mentioned, and an AGE-SECRET-KEY-\n")
	check(t, os.Symlink(filepath.Join(w.src.Data, "keys/record.key"), filepath.Join(w.src.Data, "state/record.old")))
	check(t, os.Symlink(filepath.Join(w.src.Data, "keys"), filepath.Join(w.src.Data, "state/folder")))
	w.write("elsewhere.toml", "network = \"test\"\n")
	check(t, os.Symlink(filepath.Join(w.src.Data, "elsewhere.toml"), filepath.Join(w.src.Data, "linked.toml")))
	w.src.Trees = append(w.src.Trees, Tree{"config/linked.toml", filepath.Join(w.src.Data, "linked.toml")})
	w.create(w.options())
	names := w.backedUp()
	for _, want := range []string{"state/notes", "config/linked.toml", "config/tocsin.toml", "state/own.cbor"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is not in the backup", want)
		}
	}
	for _, name := range names {
		if strings.Contains(name, "record.old") || strings.Contains(name, "folder") || name == "state/host.key.bak" || name == "state/deep/identity" {
			t.Errorf("%s is in the backup without keys", name)
		}
	}
}

// TestWhatPointsIsReadBefore: a checkpoint that is signed while a backup is written must not cover more of the audit log than
// the backup has, or the restored node accuses itself of a cut log. The log in turn commits to facts.
func TestWhatPointsIsReadBefore(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"state/checkpoints", "state/firstseen", "state/firstseen.cursor"} {
		w.write(name, "x\n")
	}
	w.create(w.options())
	names := w.backedUp()
	for _, pair := range [][2]string{{"state/checkpoints", "state/audit.log"}, {"state/firstseen.cursor", "state/firstseen"}, {"state/audit.log", "state/firstseen"}} {
		before, after := slices.Index(names, pair[0]), slices.Index(names, pair[1])
		if before < 0 || after < before {
			t.Errorf("%s is file %d, %s file %d", pair[0], before, pair[1], after)
		}
	}
}
