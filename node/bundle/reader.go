package bundle

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// maxFaults ends the reading of a stream that is mostly damage: looking for the next segment costs time, and each fault is kept.
const maxFaults = 100

// ageIntro begins an encrypted file.
const ageIntro = "age-encryption.org/v1"

// Segment is a segment whose signature and body hash were checked. Its records were not.
type Segment struct {
	Head
	// Offset is where it begins in its stream.
	Offset int64
	// Exporter is the organisation whose node made the bundle.
	Exporter protocol.OrgID
	// Chain is what it carries of the exporter's chain; it verified.
	Chain []*protocol.Statement

	coded []byte
}

// Fault is a part of a bundle that is not usable. Reading goes on behind it.
type Fault struct {
	// Head is what the part says of itself, nil when that cannot be read; it may be a lie.
	Head   *Head
	Offset int64
	Err    error
}

// Error names the part and what is wrong with it.
func (f *Fault) Error() string {
	if f.Head == nil {
		return fmt.Sprintf("byte %d: %v", f.Offset, f.Err)
	}
	return fmt.Sprintf("%s, at byte %d: %v", f.Head.where(), f.Offset, f.Err)
}

// Unwrap gives the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Reader reads segments from a stream of chunks in any order. It holds one segment at a time. It is used by one goroutine.
type Reader struct {
	in      io.Reader
	network string
	known   func() *protocol.Chains
	carried *protocol.Chains // what is known, and the newest chain that the stream carried
	window  []byte           // what was read and not used yet
	offset  int64            // of the window in the stream
	ended   bool
	faults  int
	gaveUp  bool
	squeeze squeezer
}

// NewReader reads a stream of a network; known is asked for the chains that are known now.
func NewReader(in io.Reader, network string, known func() *protocol.Chains) *Reader {
	return &Reader{in: in, network: network, known: known}
}

// Next returns the next usable segment, which is good until the next call; io.EOF at the end. A *Fault is about one part: call Next again. Any
// other error ends the reading.
func (r *Reader) Next() (*Segment, error) {
	if r.faults >= maxFaults {
		return nil, r.giveUp()
	}
	if err := r.fill(len(magic)); err != nil {
		return nil, err
	}
	switch {
	case len(r.window) == 0 && r.offset == 0 && r.faults == 0:
		r.faults++
		return nil, r.fault(nil, damagedf("there is nothing in it")) // a road that broke off leaves files of 0 bytes
	case len(r.window) == 0:
		return nil, io.EOF
	case !bytes.HasPrefix(r.window, []byte(magic)):
		return nil, r.astray()
	}
	s, size, err := r.segment()
	if err == nil {
		r.skip(size)
		return s, nil
	}
	if fault, ok := errors.AsType[*Fault](err); ok {
		r.faults++
		// What follows the damage is looked for from here on: lengths of a damaged segment prove nothing.
		if err := r.resync(len(magic)); err != nil {
			return nil, err
		}
		return nil, fault
	}
	return nil, err
}

// astray says that there is no segment here, and goes to the next one.
func (r *Reader) astray() error {
	r.faults++
	f := &Fault{Offset: r.offset, Err: damagedf("these bytes are no segment of a bundle")}
	if err := r.fill(len(ageIntro)); err != nil {
		return err
	}
	if r.offset == 0 && bytes.HasPrefix(r.window, []byte(ageIntro)) {
		r.window, r.ended = nil, true
		f.Err = reason.New(reason.BundleLocked, "the file is encrypted with age")
		return f
	}
	if err := r.resync(1); err != nil {
		return err
	}
	return f
}

// resync goes to the next magic behind from.
func (r *Reader) resync(from int) error {
	r.skip(from)
	for {
		if i := bytes.Index(r.window, []byte(magic)); i >= 0 {
			r.skip(i)
			return nil
		}
		r.skip(max(len(r.window)-len(magic)+1, 0))
		if r.ended {
			r.skip(len(r.window))
			return nil
		}
		if err := r.fill(64 << 10); err != nil {
			return err
		}
	}
}

// fill makes the window hold n bytes, or all that is left. What was read is never written over, so that slices of it stay good.
func (r *Reader) fill(n int) error {
	for len(r.window) < n && !r.ended {
		if cap(r.window) < n { // never more than one segment, by the limits that were checked before
			r.window = append(make([]byte, 0, max(n, 256<<10)), r.window...)
		}
		got, err := r.in.Read(r.window[len(r.window):cap(r.window)])
		r.window = r.window[:len(r.window)+got]
		if errors.Is(err, io.EOF) {
			r.ended = true
		} else if err != nil {
			return fmt.Errorf("read a bundle at byte %d: %w", r.offset+int64(len(r.window)), err)
		}
	}
	return nil
}

func (r *Reader) skip(n int) {
	n = min(n, len(r.window))
	r.window, r.offset = r.window[n:], r.offset+int64(n)
}

// part gives n bytes of the segment behind at, or the fault that they are not there.
func (r *Reader) part(h *Head, at, n int) ([]byte, error) {
	if err := r.fill(at + n); err != nil {
		return nil, err
	}
	if len(r.window) < at+n {
		return nil, r.fault(h, damagedf("it is cut short: %d bytes are missing", at+n-len(r.window)))
	}
	return r.window[at : at+n : at+n], nil
}

func (r *Reader) fault(h *Head, err error) *Fault { return &Fault{Head: h, Offset: r.offset, Err: err} }

// segment reads the segment at the start of the window, and gives its size.
func (r *Reader) segment() (*Segment, int, error) {
	chain, doc, h, at, err := r.head()
	if err != nil {
		return nil, 0, err
	}
	if h.Network != r.network {
		return nil, 0, r.fault(&h, damagedf("it is of network %.64q, and this node is in %q", h.Network, r.network))
	}
	body, err := r.part(&h, at, h.body.length)
	if err != nil {
		return nil, 0, err
	}
	s := &Segment{Head: h, Offset: r.offset, coded: body}
	if err := r.verify(s, doc, chain); err != nil {
		return nil, 0, r.fault(&h, err)
	}
	if sha256.Sum256(body) != h.body.hash {
		return nil, 0, r.fault(&h, damagedf("its bytes are not those that were signed"))
	}
	return s, at + len(body), nil
}

// head reads what stands before the body of the segment at the start of the window, and says where that begins. Nothing of it is verified.
func (r *Reader) head() (chain []byte, doc *protocol.Document, h Head, body int, err error) {
	// BND-01
	chain, at, err := r.sized(len(magic), maxChain)
	if err != nil {
		return nil, nil, h, 0, err
	}
	raw, at, err := r.sized(at, maxHead)
	if err != nil {
		return nil, nil, h, 0, err
	}
	if doc, h, err = readSigned(raw); err != nil {
		return nil, nil, h, 0, r.fault(nil, err)
	}
	return chain, doc, h, at, nil
}

// sized reads a length and as many bytes, and says where they end.
func (r *Reader) sized(at, limit int) (raw []byte, end int, err error) {
	size, err := r.part(nil, at, 4)
	if err != nil {
		return nil, 0, err
	}
	n := binary.BigEndian.Uint32(size)
	if n > uint32(limit) {
		return nil, 0, r.fault(nil, damagedf("a part of %d bytes, the limit is %d", n, limit))
	}
	raw, err = r.part(nil, at+4, int(n))
	return raw, at + 4 + int(n), err
}

// readSigned takes the head of a segment apart; nothing of it is verified.
func readSigned(raw []byte) (*protocol.Document, Head, error) {
	doc, err := protocol.ReadDocument(bytes.Clone(raw))
	if err != nil {
		if protocol.VerdictOf(err) == protocol.Reject {
			err = reason.Wrap(reason.BundleDamaged, "read the head of a segment", err)
		}
		return nil, Head{}, err
	}
	h, err := readHead(doc.Payload)
	return doc, h, err
}

// verify checks who signed a segment, by what is known and what the stream carries.
func (r *Reader) verify(s *Segment, doc *protocol.Document, chain []byte) error {
	// BND-02
	chains := r.known()
	if len(chain) > 0 {
		var err error
		if s.Chain, err = protocol.ReadStatements(r.network, bytes.Clone(chain)); err != nil {
			return reason.Wrap(reason.BundleDamaged, "read the exporter's chain", err)
		}
		r.carried, _, _ = chains.With(s.Chain...) // what does not verify is left out
		chains = r.carried
	} else if _, ok := chains.Certificate(doc.Certificate); !ok && r.carried != nil {
		chains = r.carried
	}
	// BND-03
	cert, err := doc.Verify(protocol.DocumentBundle, s.Created, chains)
	if err != nil {
		return err
	}
	s.Exporter = cert.Org
	return nil
}

// giveUp ends the stream with a last fault. It is no error: what was used is used, and the next file can be read.
func (r *Reader) giveUp() error {
	if r.gaveUp {
		return io.EOF
	}
	r.gaveUp = true
	// Who sends the rest waits until it is taken.
	if _, err := io.Copy(io.Discard, r.in); err != nil {
		return fmt.Errorf("read past what is left of a bundle: %w", err)
	}
	return r.fault(nil, damagedf("%d parts of one file cannot be used: what follows is not looked at", r.faults))
}

// refused counts a segment that Next gave and that is not used all the same, so that what is kept of a file is bounded.
func (r *Reader) refused() { r.faults++ }

// Content takes a segment of records apart.
func (r *Reader) Content(s *Segment) (*Content, error) {
	raw, err := r.squeeze.open(s.coded, s.body)
	if err != nil {
		return nil, err
	}
	return readContent(r.network, raw, s.Records)
}

// Manifest reads a segment of that kind.
func (r *Reader) Manifest(s *Segment) (*Manifest, error) {
	raw, err := r.squeeze.open(s.coded, s.body)
	if err != nil {
		return nil, err
	}
	return readManifest(raw)
}
