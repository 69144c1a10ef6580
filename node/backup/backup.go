// Package backup writes what a node must not lose to a folder elsewhere, encrypted and
// incremental, and brings it back: the record store key by key, and the small files beside it. Private keys
// go into a file of their own. It checks what it wrote; it knows nothing of what
// records say, and decides nothing about keys.
package backup

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	logging "github.com/ipfs/go-log/v2"

	"tocsin/node/durable"
	"tocsin/protocol/reason"
)

var log = logging.Logger("tocsin/backup")

// What lies in the folder of one backup.
const (
	aboutFile    = "about.json"    // what anybody may see
	manifestFile = "manifest"      // what the backup holds; sealed
	keyFile      = "key.age"       // the key of this backup, for the operator
	nodeKeyFile  = "node.age"      // the same, for the node that wrote it
	verifiedFile = "verified.json" // when it was last found good; written later
	formatName   = "tocsin-backup-1"
)

// The ways to seal a backup.
const (
	SealedAge        = "age"
	SealedPassphrase = "passphrase"
	SealedNone       = "none"
)

const (
	// maxChain bounds how many backups hang on each other: all of a chain are read at once.
	maxChain = 32
	// maxAboutBytes bounds the files of a backup that are read as a whole and not sealed.
	maxAboutBytes = 64 << 10
	tempSuffix    = ".tmp"
)

// About is what may be seen of a backup without its key. It is a help to find one's way; what
// counts is the manifest.
type About struct {
	Format  string    `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Base is the backup that this one goes on from, "" for a full one.
	Base   string `json:"base,omitempty"`
	Sealed string `json:"sealed"`
	// Org and Peer say whose backup it is.
	Org  string `json:"org"`
	Peer string `json:"peer"`
	// Bytes is the size of all its files but this one.
	Bytes int64 `json:"bytes"`
}

// Found is a backup in a folder.
type Found struct {
	About
	// Verified is when it was last found good as a whole, zero for never; Drilled when it was last restored for that.
	Verified, Drilled time.Time
	// Broken says why the folder of this name is none.
	Broken string
	// Lacks says why it cannot be restored though it is sound itself: one that it goes on from is not there, or is none.
	Lacks string
}

// Full reports whether it needs no other one.
func (a About) Full() bool { return a.Base == "" }

// checked is the content of verifiedFile.
type checked struct {
	Verified time.Time `json:"verified,omitzero"`
	Drilled  time.Time `json:"drilled,omitzero"`
}

// idPattern is what the name of a backup looks like. Names sort by time.
var idPattern = regexp.MustCompile(`^[0-9]{8}T[0-9]{6}\.[0-9]{3}Z-[0-9a-f]{8}$`)

// newID names a backup made now, so that it comes after those that are there, whatever the clock did.
func newID(now time.Time, all []Found) string {
	var b [4]byte
	rand.Read(b[:])
	const layout = "20060102T150405.000Z"
	stamp := now.UTC().Format(layout)
	if len(all) > 0 {
		last, _, _ := strings.Cut(all[len(all)-1].ID, "-")
		if t, err := time.Parse(layout, last); err == nil && last >= stamp {
			stamp = t.Add(time.Millisecond).Format(layout)
		}
	}
	return stamp + "-" + hex.EncodeToString(b[:])
}

// List tells what backups are in a folder, oldest first. What is half made is not among them.
func List(folder string) ([]Found, error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, reason.Wrap(reason.NotFound, "list the backups in "+folder, err)
	}
	if err != nil {
		return nil, fmt.Errorf("list the backups in %s: %w", folder, err)
	}
	var out []Found
	for _, e := range entries {
		if !e.IsDir() || !idPattern.MatchString(e.Name()) {
			continue
		}
		out = append(out, look(folder, e.Name()))
	}
	slices.SortFunc(out, func(a, b Found) int { return cmp.Compare(a.ID, b.ID) })
	by := byID(out)
	for i := range out {
		if out[i].Broken == "" {
			_, out[i].Lacks = trace(by, out[i].ID)
		}
	}
	return out, nil
}

func look(folder, id string) Found {
	dir := filepath.Join(folder, id)
	f := Found{}
	raw, err := readSmall(filepath.Join(dir, aboutFile))
	if err == nil {
		f.About, err = decodeAbout(raw)
	}
	if err == nil && f.ID != id {
		err = errors.New("it says that it is " + f.ID)
	}
	if err != nil {
		return Found{About: About{ID: id}, Broken: err.Error()}
	}
	var c checked
	if raw, err := readSmall(filepath.Join(dir, verifiedFile)); err == nil && json.Unmarshal(raw, &c) == nil {
		f.Verified, f.Drilled = c.Verified, c.Drilled
	}
	return f
}

// decodeAbout reads what encodeAbout writes and nothing else.
func decodeAbout(raw []byte) (a About, err error) {
	if err := strictJSON(raw, &a); err != nil {
		return About{}, err
	}
	switch {
	case a.Format != formatName:
		err = fmt.Errorf("it is of the format %q, this program knows %q", a.Format, formatName)
	case !idPattern.MatchString(a.ID) || a.Base != "" && !idPattern.MatchString(a.Base):
		err = errors.New("its name is none of a backup")
	case !slices.Contains([]string{SealedAge, SealedPassphrase, SealedNone}, a.Sealed):
		err = fmt.Errorf("it is sealed by %q", a.Sealed)
	}
	return a, err
}

// strictJSON decodes one value that has no unknown fields and stands in the one form in
// which this program writes it.
func strictJSON(raw []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	again, err := json.Marshal(into)
	if err != nil {
		return err
	}
	if !bytes.Equal(again, raw) {
		return errors.New("it is not in the form in which it was written")
	}
	return nil
}

func readSmall(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, maxAboutBytes+1))
	if err == nil && len(raw) > maxAboutBytes {
		err = fmt.Errorf("%s has more than %d bytes", path, maxAboutBytes)
	}
	return raw, err
}

// noteChecked writes down that a backup was found good.
func noteChecked(folder, id string, drill bool, now time.Time) error {
	path := filepath.Join(folder, id, verifiedFile)
	var c checked
	if raw, err := readSmall(path); err == nil && json.Unmarshal(raw, &c) != nil {
		c = checked{}
	}
	c.Verified = now.UTC().Truncate(time.Second)
	if drill {
		c.Drilled = c.Verified
	}
	raw, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return durable.Write(path, append(raw, '\n'), 0o600)
}

// chainOf are the backups that a restore of one needs, the full one first.
func chainOf(all []Found, id string) ([]Found, error) {
	by := byID(all)
	if _, ok := by[id]; !ok {
		return nil, reason.New(reason.NotFound, "there is no backup "+id)
	}
	chain, lacks := trace(by, id)
	if lacks != "" {
		return nil, damaged(id, errors.New(lacks))
	}
	return chain, nil
}

func byID(all []Found) map[string]Found {
	by := make(map[string]Found, len(all))
	for _, f := range all {
		by[f.ID] = f
	}
	return by
}

// trace goes from a backup, which is there, to its full one, and returns the way back, or says where it ends too soon.
func trace(by map[string]Found, id string) (chain []Found, lacks string) {
	for at := id; ; {
		f, ok := by[at]
		switch {
		case !ok:
			return nil, fmt.Sprintf("it goes on from %s, which is not there", at)
		case f.Broken != "" && at == id:
			return nil, f.Broken
		case f.Broken != "":
			return nil, fmt.Sprintf("it goes on from %s, which is broken: %s", at, f.Broken)
		case len(chain) == maxChain:
			return nil, fmt.Sprintf("more than %d backups hang on each other", maxChain)
		}
		chain = append(chain, f)
		if f.Full() {
			slices.Reverse(chain)
			return chain, ""
		}
		at = f.Base
	}
}

// newest is the newest backup of which the whole chain is there.
func newest(all []Found) (string, error) {
	for _, f := range slices.Backward(all) {
		if f.Broken == "" && f.Lacks == "" {
			return f.ID, nil
		}
	}
	if len(all) == 0 {
		return "", reason.New(reason.NotFound, "there is no backup in the folder")
	}
	last := all[len(all)-1]
	return "", damaged(last.ID, fmt.Errorf("none in the folder is complete, and of this newest one: %s", last.Broken+last.Lacks))
}

func damaged(id string, err error) error {
	return reason.Wrap(reason.BackupDamaged, "backup "+id, err)
}

// sweep removes what interrupted work left behind.
func sweep(folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		id, half := strings.CutSuffix(strings.TrimPrefix(e.Name(), "."), tempSuffix)
		if half && idPattern.MatchString(id) {
			errs = append(errs, os.RemoveAll(filepath.Join(folder, e.Name())))
		}
	}
	return errors.Join(errs...)
}

func tempName(id string) string { return "." + id + tempSuffix }

// Prune keeps the newest chains: a full backup with all that hangs on it. It returns
// the names of what it removed.
func Prune(folder string, keep int) (gone []string, err error) {
	all, err := List(folder)
	if err != nil || keep < 1 {
		return nil, err
	}
	chains := map[string][]string{} // by the full backup's name
	var order []string
	for _, f := range all {
		chain, err := chainOf(all, f.ID)
		if err != nil {
			continue // what is broken is for a person to look at
		}
		root := chain[0].ID
		if chains[root] == nil {
			order = append(order, root)
		}
		chains[root] = append(chains[root], f.ID)
	}
	slices.Sort(order)
	for len(order) > keep {
		for _, id := range slices.Backward(chains[order[0]]) {
			aside := filepath.Join(folder, tempName(id))
			if err := errors.Join(os.Rename(filepath.Join(folder, id), aside), os.RemoveAll(aside)); err != nil {
				return gone, fmt.Errorf("remove backup %s: %w", id, err)
			}
			gone = append(gone, id)
		}
		order = order[1:]
	}
	return gone, durable.SyncFolder(folder)
}
