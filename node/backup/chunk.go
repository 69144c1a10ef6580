package backup

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"

	"github.com/klauspost/compress/zstd"
)

const (
	// chunkRaw is after how many bytes before compression the next chunk begins.
	chunkRaw = 32 << 20
	// maxChunkRaw is more than any chunk has: the last entry may reach beyond.
	maxChunkRaw = 64 << 20
	// windowBytes keeps the memory of a reader small: one is open for each backup of a chain.
	windowBytes = 1 << 20
)

// fileWriter writes one file: compressed, sealed, counted and synced.
type fileWriter struct {
	f      *os.File
	sum    hash.Hash
	size   int64
	raw    int64
	sealed io.WriteCloser
	z      *zstd.Encoder
}

func newFileWriter(path string, seal sealer) (*fileWriter, error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return nil, err
	}
	w := &fileWriter{f: f, sum: sha256.New()}
	if w.sealed, err = seal(counter{w}); err == nil {
		w.z, err = zstd.NewWriter(w.sealed, zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowBytes), zstd.WithEncoderLevel(zstd.SpeedFastest))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return w, nil
}

// counter is the file as the layers above write it.
type counter struct{ w *fileWriter }

// Write implements io.Writer.
func (c counter) Write(b []byte) (int, error) {
	n, err := c.w.f.Write(b)
	c.w.sum.Write(b[:n])
	c.w.size += int64(n)
	return n, err
}

// Write implements io.Writer.
func (w *fileWriter) Write(b []byte) (int, error) {
	n, err := w.z.Write(b)
	w.raw += int64(n)
	return n, err
}

// finish closes the file, also after an error of whoever wrote.
func (w *fileWriter) finish(err error) (size int64, sum string, _ error) {
	if e := w.z.Close(); err == nil {
		err = e
	}
	if e := w.sealed.Close(); err == nil {
		err = e
	}
	if err == nil {
		err = w.f.Sync()
	}
	if e := w.f.Close(); err == nil {
		err = e
	}
	return w.size, hex.EncodeToString(w.sum.Sum(nil)), err
}

// chunkWriter spreads a stream of entries over chunks. It is used by one goroutine.
type chunkWriter struct {
	dir    string
	seal   sealer
	limit  int64
	room   func(folder string, bytes int64) error // may be nil
	at     *fileWriter
	chunks []Chunk
}

// entry makes room for an entry, which always lies in one chunk, and writes it.
func (c *chunkWriter) entry(b []byte) error {
	if c.at != nil && c.at.raw >= c.limit {
		if err := c.end(nil); err != nil {
			return err
		}
	}
	if c.at == nil {
		if c.room != nil {
			if err := c.room(c.dir, c.limit); err != nil {
				return err
			}
		}
		w, err := newFileWriter(filepath.Join(c.dir, chunkName(len(c.chunks))), c.seal)
		if err != nil {
			return err
		}
		c.at = w
	}
	_, err := c.at.Write(b)
	return err
}

// end closes the chunk that is open.
func (c *chunkWriter) end(err error) error {
	if c.at == nil {
		return err
	}
	raw := c.at.raw
	size, sum, err := c.at.finish(err)
	c.at = nil
	c.chunks = append(c.chunks, Chunk{Name: chunkName(len(c.chunks)), Size: size, SHA256: sum, Raw: raw})
	return err
}

// chunkReader reads what a chunkWriter wrote. Each chunk is held against its digest when its end
// is reached. It is used by one goroutine.
type chunkReader struct {
	dir    string
	open   opener
	chunks []Chunk
	next   int

	f     *os.File
	sum   hash.Hash
	tee   io.Reader
	z     *zstd.Decoder
	plain *bufio.Reader
	left  int64 // of the chunk, before compression
}

// entry begins the next entry: io.EOF when all chunks were read.
func (c *chunkReader) entry() (*bufio.Reader, error) {
	for {
		if c.f != nil {
			_, err := c.plain.Peek(1)
			if err == nil {
				return c.plain, nil
			}
			if !errors.Is(err, io.EOF) {
				return nil, c.about(err)
			}
			if err := c.finish(); err != nil {
				return nil, err
			}
		}
		if c.next == len(c.chunks) {
			return nil, io.EOF
		}
		if err := c.begin(); err != nil {
			return nil, err
		}
	}
}

func (c *chunkReader) about(err error) error {
	return fmt.Errorf("%s: %w", c.chunks[c.next-1].Name, err)
}

func (c *chunkReader) begin() error {
	chunk := c.chunks[c.next]
	c.next++
	f, err := os.Open(filepath.Join(c.dir, chunk.Name))
	if err != nil {
		return err
	}
	c.f, c.sum, c.left = f, sha256.New(), chunk.Raw
	info, err := f.Stat()
	if err == nil && info.Size() != chunk.Size {
		err = fmt.Errorf("it has %d bytes, the manifest says %d", info.Size(), chunk.Size)
	}
	if err != nil {
		return c.about(err)
	}
	c.tee = io.TeeReader(bufio.NewReaderSize(f, 64<<10), c.sum)
	plain, err := c.open(c.tee)
	if err == nil {
		c.z, err = newDecoder(plain)
	}
	if err != nil {
		return c.about(err)
	}
	c.plain = bufio.NewReaderSize(&bounded{c.z, &c.left}, 64<<10)
	return nil
}

// bounded gives no more than the manifest says that there is.
type bounded struct {
	r    io.Reader
	left *int64
}

// Read implements io.Reader.
func (b *bounded) Read(p []byte) (int, error) {
	n, err := b.r.Read(p)
	if *b.left -= int64(n); *b.left < 0 {
		return 0, errors.New("it holds more than the manifest says")
	}
	return n, err
}

// finish holds the chunk against its digest.
func (c *chunkReader) finish() error {
	_, err := io.Copy(io.Discard, c.tee)
	switch {
	case err != nil:
	case c.left != 0:
		err = fmt.Errorf("it holds %d bytes less than the manifest says", c.left)
	case hex.EncodeToString(c.sum.Sum(nil)) != c.chunks[c.next-1].SHA256:
		err = errors.New("its bytes are not those that were written")
	}
	err = errors.Join(err, c.close())
	if err != nil {
		return c.about(err)
	}
	return nil
}

// close gives the open file back, if there is one.
func (c *chunkReader) close() error {
	if c.f == nil {
		return nil
	}
	if c.z != nil {
		c.z.Close()
	}
	err := c.f.Close()
	c.f, c.z, c.plain = nil, nil, nil
	return err
}
