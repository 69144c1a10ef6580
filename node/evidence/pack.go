package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fxamacker/cbor/v2"

	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// The outer form of a pack (EVD-17).
const (
	packMagic = "TOCSIN EVIDENCE 1\n"
	packBegin = "-----BEGIN TOCSIN EVIDENCE-----\n"
	packEnd   = "-----END TOCSIN EVIDENCE-----\n"
	packLine  = 64
	// noteSignature begins each signature line of a note.
	noteSignature = "— "
	// MaxPackBytes bounds a pack: an object of 1 MiB, chains and paths, and base64.
	MaxPackBytes = 8 << 20
	maxContents  = 6 << 20
	maxElements  = 64
	maxTexts     = 4 << 10 // the program's version
)

// contents are what a pack holds (EVD-18).
type contents struct {
	_         struct{} `cbor:",toarray"`
	Version   uint64
	Network   string
	Made      int64
	Maker     protocol.OrgID
	Program   string
	File      []byte
	Fact      []byte
	Told      [][]byte
	Commit    packCommit
	Place     packPlace
	TrustList protocol.Digest
	Warnings  protocol.Digest
}

// packCommit is the place of the fact in the tree, and the entry that commits to that.
type packCommit struct {
	_     struct{} `cbor:",toarray"`
	Index uint64
	Size  uint64
	Path  [][]byte
	Line  []byte
}

// packPlace is the place of that entry in the log, and the checkpoint that covers it.
type packPlace struct {
	_          struct{} `cbor:",toarray"`
	Index      uint64
	Path       [][]byte
	Checkpoint []byte
}

func encodeContents(c *contents) ([]byte, error) {
	mode, err := cbor.CoreDetEncOptions().EncMode()
	if err != nil {
		return nil, err
	}
	return mode.Marshal(c)
}

// decodeContents reads what encodeContents wrote, and nothing else.
func decodeContents(raw []byte) (*contents, error) {
	mode, err := cbor.DecOptions{
		IndefLength: cbor.IndefLengthForbidden, TagsMd: cbor.TagsForbidden,
		MaxArrayElements: maxElements, MaxMapPairs: 16, MaxNestedLevels: 4,
	}.DecMode()
	if err != nil {
		return nil, err
	}
	var c contents
	if err := mode.Unmarshal(raw, &c); err != nil {
		return nil, err
	}
	if again, err := encodeContents(&c); err != nil || !bytes.Equal(again, raw) {
		return nil, errors.New("they are not written as contents are")
	}
	switch {
	case c.Version != 1:
		return nil, fmt.Errorf("they are of version %d; a newer tocsin reads them", c.Version)
	case len(c.Told) > maxTold || len(c.Program) > maxTexts || c.Made < 0 || c.Made >= 1<<48:
		return nil, errors.New("a value of them is out of range")
	}
	return &c, nil
}

// outer is a pack taken apart.
type outer struct {
	cover    string // all that stands before the contents
	contents []byte
	note     []byte
}

// IsPack reports whether a file is an evidence pack, or was one before somebody or a mail program changed it.
func IsPack(raw []byte) bool {
	mailed := func(line string) []byte { return []byte(strings.TrimSuffix(line, "\n") + "\r\n") }
	if bytes.HasPrefix(raw, []byte(packMagic)) || bytes.HasPrefix(raw, mailed(packMagic)) {
		return true
	}
	return slices.ContainsFunc([]string{packBegin, packEnd}, func(line string) bool {
		return bytes.Contains(raw, []byte(line)) || bytes.Contains(raw, mailed(line))
	})
}

// unmail gives a pack the line ends that it was signed with, when mail made each of them CR LF. EVD-17
func unmail(raw []byte) (pack []byte, mailed bool, err error) {
	crlf, all := bytes.Count(raw, []byte("\r\n")), bytes.Count(raw, []byte("\n"))
	switch {
	case len(raw) > 2*MaxPackBytes:
		return nil, false, fmt.Errorf("the pack has more than %d bytes", MaxPackBytes)
	case crlf == 0:
		return raw, false, nil
	case crlf < all:
		return nil, false, fmt.Errorf("%d of its %d lines end with CR LF, which a pack does not have: it was changed", crlf, all)
	}
	return bytes.ReplaceAll(raw, []byte("\r\n"), []byte("\n")), true, nil
}

// write puts a pack together.
func (o *outer) write() []byte {
	var b bytes.Buffer
	b.WriteString(o.cover)
	b.WriteString(packBegin)
	text := base64.StdEncoding.EncodeToString(o.contents)
	for len(text) > 0 {
		n := min(len(text), packLine)
		b.WriteString(text[:n] + "\n")
		text = text[n:]
	}
	b.WriteString(packEnd + "\n")
	b.Write(o.note)
	return b.Bytes()
}

// splitPack takes a pack apart and holds it to its one spelling. The error names the part.
func splitPack(raw []byte) (*outer, error) {
	text := string(raw)
	switch begin, end := strings.Index(text, packBegin), strings.LastIndex(text, packEnd+"\n"); {
	case len(raw) > MaxPackBytes:
		return nil, fmt.Errorf("the pack has more than %d bytes", MaxPackBytes)
	case strings.Contains(text, "\n"+packMagic) && !strings.HasPrefix(text, packMagic):
		return nil, fmt.Errorf("something stands before the pack: its own text begins with line %d; take off what is above, and look again",
			2+strings.Count(text[:strings.Index(text, "\n"+packMagic)], "\n"))
	case !strings.HasPrefix(text, packMagic):
		return nil, errors.New("the cover sheet does not begin as one does")
	case begin < 0 || end < begin:
		return nil, errors.New("the lines around the contents are missing or were changed")
	default:
		lines := text[begin+len(packBegin) : end]
		body, err := base64.StdEncoding.Strict().DecodeString(strings.ReplaceAll(lines, "\n", ""))
		if err != nil || len(body) > maxContents {
			return nil, errors.New("the contents are no base64, or too long: they were changed or cut")
		}
		o := &outer{cover: text[:begin], contents: body, note: raw[end+len(packEnd)+1:]}
		if extra := behind(string(o.note)); extra >= 0 {
			return nil, fmt.Errorf("something stands behind the pack: its own text ends before line %d; take off what follows, and look again",
				1+strings.Count(text[:len(text)-len(o.note)+extra], "\n"))
		}
		if !bytes.Equal(o.write(), raw) {
			return nil, errors.New("the lines of the contents are not written as they are in a pack: they were changed")
		}
		return o, nil
	}
}

// behind is where the signature lines of a note end and something else follows; -1 for nothing.
func behind(note string) int {
	at := strings.Index(note, "\n\n")
	if at < 0 || !strings.HasPrefix(note[at+2:], noteSignature) {
		return -1 // no note at all, which others say
	}
	for at += 2; at < len(note); {
		if !strings.HasPrefix(note[at:], noteSignature) {
			return at
		}
		end := strings.IndexByte(note[at:], '\n')
		if end < 0 {
			return -1
		}
		at += end + 1
	}
	return -1
}

// packDigests are the lines of the maker's note that name cover and contents.
func packDigests(o *outer) (cover, body string) {
	c, b := sha256.Sum256([]byte(o.cover)), sha256.Sum256(o.contents)
	return "cover " + base64.StdEncoding.EncodeToString(c[:]) + "\n", "contents " + base64.StdEncoding.EncodeToString(b[:]) + "\n"
}

// packNote is the text that the maker signs.
func packNote(name string, o *outer) string {
	cover, body := packDigests(o)
	return name + "\n" + cover + body
}

// wholeCover is all that stands before the contents.
func wholeCover(sheet string) string { return packMagic + sheet + "\n" }

// signPack makes the pack of a cover and contents.
func signPack(c *contents, cover string, key protocol.Signer) ([]byte, error) {
	body, err := encodeContents(c)
	if err != nil {
		return nil, err
	}
	o := &outer{cover: wholeCover(cover), contents: body}
	name := tlog.PackOrigin(c.Network, c.Maker)
	if o.note, err = tlog.SignNote(packNote(name, o), name, key); err != nil {
		return nil, err
	}
	raw := o.write()
	if len(raw) > MaxPackBytes || len(body) > maxContents {
		return nil, reason.New(reason.InputSize, fmt.Sprintf("the pack would have %d bytes, the limit is %d", len(raw), MaxPackBytes))
	}
	return raw, nil
}
