package backup

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"

	"tocsin/storage"
)

// maxManifestBytes bounds a manifest: 100,000 key logs have about 30 MB.
const maxManifestBytes = 64 << 20

// Manifest says what a backup holds. It is sealed like the rest; its digest stands in the
// next one's, so that a chain is of one piece.
type Manifest struct {
	Format  string    `json:"format"`
	ID      string    `json:"id"`
	Created time.Time `json:"created"`
	// Base and BaseDigest name the backup that this one goes on from, and its manifest.
	Base       string `json:"base,omitempty"`
	BaseDigest string `json:"base_digest,omitempty"`
	Network    string `json:"network"`
	Org        string `json:"org"`
	Peer       string `json:"peer"`
	// Program is the version of the program that wrote it.
	Program string        `json:"program"`
	Store   storage.Facts `json:"store"`
	// Heads are the ends of all key logs.
	Heads []Head `json:"heads"`
	// Keys counts the live keys of the store, Live is a digest over them and their versions, in order.
	Keys uint64 `json:"keys"`
	Live string `json:"live"`
	// Files counts the files beside the store, FileList is a digest over their names and contents.
	Files    int     `json:"files"`
	FileList string  `json:"file_list"`
	Chunks   []Chunk `json:"chunks"`
}

// Head is the end of a key log.
type Head struct {
	Org      string `json:"org"`
	Key      string `json:"key"`
	Topic    string `json:"topic"`
	Sequence uint64 `json:"sequence"`
	ID       string `json:"id"`
	Count    uint64 `json:"count"`
}

// Chunk is one file of a backup's contents.
type Chunk struct {
	Name string `json:"name"`
	// Size and SHA256 are of the file as it lies there, Raw is what it holds before compression.
	Size   int64  `json:"size"`
	SHA256 string `json:"sha256"`
	Raw    int64  `json:"raw"`
}

func headsOf(logs []storage.Log) []Head {
	out := make([]Head, len(logs))
	for i, l := range logs {
		out[i] = Head{l.Org.String(), l.Key.String(), l.Topic.String(), l.Head, l.HeadID.String(), l.Count}
	}
	return out
}

// DecodeManifest reads a manifest: what decodes is exactly what was encoded.
func DecodeManifest(raw []byte) (*Manifest, error) {
	m := new(Manifest)
	if err := strictJSON(raw, m); err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	var err error
	switch {
	case m.Format != formatName:
		err = fmt.Errorf("format %q, this program knows %q", m.Format, formatName)
	case !idPattern.MatchString(m.ID) || m.Base != "" && !idPattern.MatchString(m.Base):
		err = errors.New("its name is none of a backup")
	case (m.Base == "") != (m.BaseDigest == ""):
		err = errors.New("a base and its digest go together")
	case m.Network == "" || m.Org == "":
		err = errors.New("it does not say whose it is")
	case m.Files < 0 || m.Files > maxFiles:
		err = fmt.Errorf("%d files, at most %d", m.Files, maxFiles)
	}
	for i, c := range m.Chunks {
		if err == nil && (c.Name != chunkName(i) || c.Size < 0 || c.Raw < 0 || c.Raw > maxChunkRaw) {
			err = fmt.Errorf("chunk %d (%q) cannot be", i, c.Name)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read the manifest: %w", err)
	}
	return m, nil
}

func chunkName(i int) string { return fmt.Sprintf("chunk-%06d", i+1) }

// digest is what the next manifest says of this one.
func digest(raw []byte) string {
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:])
}

// writeManifest seals a manifest into a backup's folder.
func writeManifest(dir string, m *Manifest, seal sealer) (sum string, size int64, err error) {
	raw, err := json.Marshal(m)
	if err != nil {
		return "", 0, err
	}
	if len(raw) > maxManifestBytes {
		return "", 0, fmt.Errorf("the manifest has %d bytes, at most %d", len(raw), maxManifestBytes)
	}
	w, err := newFileWriter(filepath.Join(dir, manifestFile), seal)
	if err != nil {
		return "", 0, err
	}
	_, err = w.Write(raw)
	size, _, err = w.finish(err)
	return digest(raw), size, err
}

// readManifest opens the manifest of a backup.
func readManifest(dir string, open opener) (m *Manifest, sum string, err error) {
	f, err := os.Open(filepath.Join(dir, manifestFile))
	if err != nil {
		return nil, "", err
	}
	defer f.Close()
	plain, err := open(f)
	if err != nil {
		return nil, "", err
	}
	z, err := newDecoder(plain)
	if err != nil {
		return nil, "", err
	}
	defer z.Close()
	raw, err := io.ReadAll(io.LimitReader(z, maxManifestBytes+1))
	if err == nil && len(raw) > maxManifestBytes {
		err = fmt.Errorf("the manifest has more than %d bytes", maxManifestBytes)
	}
	if err != nil {
		return nil, "", fmt.Errorf("read the manifest: %w", err)
	}
	m, err = DecodeManifest(raw)
	return m, digest(raw), err
}

func newDecoder(r io.Reader) (*zstd.Decoder, error) {
	return zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(windowBytes))
}

// Differs says in what a store is not what a manifest says, "" for nothing.
func (m *Manifest) Differs(f storage.Facts) string {
	if f.Schema == m.Store.Schema && f.Counts != m.Store.Counts {
		return fmt.Sprintf("it holds %+v, the manifest says %+v", f.Counts, m.Store.Counts)
	}
	if f.Changes != m.Store.Changes {
		return fmt.Sprintf("its change sequence ends at %d, the manifest says %d", f.Changes, m.Store.Changes)
	}
	heads := headsOf(f.Logs)
	for i := range max(len(heads), len(m.Heads)) {
		switch {
		case i >= len(heads):
			return fmt.Sprintf("the key log of %s on %s is missing", m.Heads[i].Key, m.Heads[i].Topic)
		case i >= len(m.Heads) || heads[i] != m.Heads[i]:
			return fmt.Sprintf("the key log of %s on %s ends at %d with %d records, which is not what the manifest says",
				heads[i].Key, heads[i].Topic, heads[i].Sequence, heads[i].Count)
		}
	}
	for _, t := range m.Store.Topics {
		if !slices.Contains(f.Topics, t) {
			return fmt.Sprintf("the records on %s are not those of the manifest (%s)", t.Topic, t.Fingerprint)
		}
	}
	return ""
}

// follows checks that a manifest goes on from another one.
func (m *Manifest) follows(base *Manifest, baseDigest string) error {
	switch {
	case m.Base != base.ID || m.BaseDigest != baseDigest:
		return fmt.Errorf("it does not go on from %s as that is", base.ID)
	case m.Network != base.Network || m.Org != base.Org || m.Peer != base.Peer:
		return fmt.Errorf("it is of another node than %s", base.ID)
	case m.Store.Lineage != base.Store.Lineage || m.Store.Version < base.Store.Version:
		return fmt.Errorf("it is of another store than %s", base.ID)
	}
	return nil
}

// contradicts says what about.json tells otherwise than the manifest, or than the files that lie beside it.
func (a About) contradicts(dir string, m *Manifest) error {
	what := ""
	switch {
	case !a.Created.Equal(m.Created):
		what = fmt.Sprintf("that it was made at %s, it was at %s", a.Created.Format(time.RFC3339), m.Created.Format(time.RFC3339))
	case a.Base != m.Base:
		what = fmt.Sprintf("that it goes on from %q, it does from %q", a.Base, m.Base)
	case a.Org != m.Org || a.Peer != m.Peer:
		what = fmt.Sprintf("that it is of %s (%s), it is of %s (%s)", a.Org, a.Peer, m.Org, m.Peer)
	default:
		size, err := sizeOf(dir)
		if err != nil {
			return err
		}
		if size != a.Bytes {
			what = fmt.Sprintf("that it has %d bytes, it has %d", a.Bytes, size)
		}
	}
	if what == "" {
		return nil
	}
	return damaged(m.ID, fmt.Errorf("%s was changed: it says %s", aboutFile, what))
}
