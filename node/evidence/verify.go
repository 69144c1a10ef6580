package evidence

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tocsin/node/audit"
	"tocsin/node/tlog"
	"tocsin/protocol"
	"tocsin/protocol/reason"
)

// Step is one thing that a verifier looks at, in words.
type Step struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	Text string `json:"text"`
}

// Report is what a pack turned out to be. Found is complete when OK.
type Report struct {
	OK    bool   `json:"ok"`
	Steps []Step `json:"steps"`
	Found Found  `json:"found"`
	Cover string `json:"-"`
}

// Found is what a pack shows.
type Found struct {
	Network string         `json:"network"`
	Author  protocol.OrgID `json:"author"`
	// AuthorName and MakerName are what they call themselves, which proves nothing.
	AuthorName string            `json:"author_name"`
	Record     protocol.RecordID `json:"record"`
	Index      int               `json:"index"`
	Object     string            `json:"object"`
	Type       string            `json:"type"`
	Content    string            `json:"content"` // as Describe gives it
	Topic      string            `json:"topic"`
	TLP        string            `json:"tlp"`
	Created    time.Time         `json:"created"`
	Seen       time.Time         `json:"seen"`
	From       string            `json:"from"`
	Told       []Fact            `json:"told"`
	Maker      protocol.OrgID    `json:"maker"`
	MakerName  string            `json:"maker_name"`
	Made       time.Time         `json:"made"`
	Program    string            `json:"program"`
	Committed  time.Time         `json:"committed"`
	Log        string            `json:"log"`
	LogSize    uint64            `json:"log_size"`
	Witnesses  []Testimony       `json:"witnesses"`
	TrustList  protocol.Digest   `json:"trust_list"`
	Warnings   protocol.Digest   `json:"warning_lists"`
}

// Testimony is a witness's word for the checkpoint, one that counts.
type Testimony struct {
	Org  protocol.OrgID `json:"org"`
	Name string         `json:"name"`
	At   time.Time      `json:"at"`
}

// Verify checks a pack from its bytes alone. EVD-19. network, when not "", must be that of the pack.
func Verify(raw []byte, network string) Report {
	e := &examination{}
	form := "it is written as a pack is"
	raw, mailed, err := unmail(raw)
	if mailed {
		form += ", but for the ends of its lines, as mail makes them (CR LF)"
	}
	var o *outer
	if err == nil {
		o, err = splitPack(raw)
	}
	if !e.step("form of the pack", err, form) {
		return e.report("")
	}
	text, err := tlog.NoteText(o.note)
	if !e.step("note of the pack", err, "it is written as a signed note is") {
		return e.report(o.cover)
	}
	// What the note names is compared before the note is trusted, so that what was changed is named.
	line, body := packDigests(o)
	sheet, err := named(text, line), named(text, body)
	var c *contents
	if err == nil {
		if c, err = decodeContents(o.contents); err != nil {
			err = fmt.Errorf("they cannot be read: %w", err)
		}
	}
	inside := &examination{}
	if err == nil {
		inside = look(c)
		// EVD-21: what people read is what was proved, whatever the maker signed.
		if sheet == nil && !inside.failed() && o.cover != wholeCover(cover(inside.found)) {
			sheet = reason.New(reason.SigInvalid, "it does not say what the contents prove, although the maker signed it")
		}
	}
	e.step("cover sheet", sheet, "it says what the contents prove, and is what the maker signed")
	if !e.step("contents", err, "they are what the maker signed") {
		return e.report(o.cover)
	}
	if network != "" && network != c.Network {
		e.step("network", fmt.Errorf("the pack is of network %q, not %q", c.Network, network), "")
	}
	e.found = inside.found
	e.signature(o, c, inside.chains)
	e.steps = append(e.steps, inside.steps...)
	return e.report(o.cover)
}

// named refuses what a note does not name.
func named(text, line string) error {
	if !strings.Contains(text, "\n"+line) {
		return reason.New(reason.SigInvalid, "it is not what the maker signed: it was changed")
	}
	return nil
}

// examination goes step by step; what fails does not keep the rest from being looked at.
type examination struct {
	steps  []Step
	found  Found
	chains *protocol.Chains
}

func (e *examination) step(name string, err error, text string) bool {
	if err != nil {
		text = err.Error()
	}
	e.steps = append(e.steps, Step{Name: name, OK: err == nil, Text: text})
	return err == nil
}

func (e *examination) failed() bool {
	return slices.ContainsFunc(e.steps, func(s Step) bool { return !s.OK })
}

func (e *examination) report(cover string) Report {
	return Report{OK: !e.failed(), Steps: e.steps, Found: e.found, Cover: cover}
}

// signature checks who made the pack.
func (e *examination) signature(o *outer, c *contents, chains *protocol.Chains) {
	name := tlog.PackOrigin(c.Network, c.Maker)
	text, key, err := tlog.OpenNote(o.note, name, chains)
	if err == nil && text != packNote(name, o) {
		err = reason.New(reason.SigInvalid, "what is signed is not this pack")
	}
	if err == nil {
		err = e.inForce(c.Maker, key, chains)
	}
	e.step("signature of the pack", err, fmt.Sprintf("made and signed by %s with node key %s", c.Maker, key))
}

// inForce holds when a pack was made against the key that signed it. EVD-20
func (e *examination) inForce(maker protocol.OrgID, key protocol.KeyID, chains *protocol.Chains) error {
	if org, ok := chains.Org(maker); ok && org.Over(key) {
		return reason.New(reason.KeyRevoked, fmt.Sprintf("node key %s was revoked: whoever has it may have made this", key))
	}
	if e.found.Made.Before(e.found.Committed.Add(-protocol.ClockSkew)) {
		return reason.New(reason.SigInvalid, fmt.Sprintf("it is dated %s, before the entry that it shows", stamp(e.found.Made)))
	}
	return tlog.InWindow(chains, maker, key, e.found.Made)
}

// examine looks into the contents.
func examine(c *contents) (Found, []Step) {
	e := look(c)
	return e.found, e.steps
}

func look(c *contents) *examination {
	e := &examination{found: Found{
		Network: c.Network, Maker: c.Maker, Made: time.UnixMilli(c.Made).UTC(), Program: c.Program,
		TrustList: c.TrustList, Warnings: c.Warnings, Told: []Fact{}, Witnesses: []Testimony{},
	}}
	proof := e.chain(c)
	if proof == nil {
		return e
	}
	e.found.MakerName = e.name(c.Maker)
	e.object(proof)
	if e.fact(c) {
		e.entry(c)
	}
	return e
}

// chain reads the chains, and gives the proof; nil when one of the two is not as it must be.
func (e *examination) chain(c *contents) []byte {
	items, err := protocol.ReadFile(c.Network, c.File)
	var statements []*protocol.Statement
	var proofs [][]byte
	for _, item := range items {
		if item.Statement != nil {
			statements = append(statements, item.Statement)
		} else {
			proofs = append(proofs, item.Proof) // nil for a record
		}
	}
	var errs []error
	e.chains, _, errs = protocol.NewChains(c.Network).With(statements...)
	if err == nil && len(errs) > 0 {
		err = errs[0]
	}
	if !e.step("chains of certificates", err, fmt.Sprintf("the chains of %d organisations hold", e.chains.Len())) {
		return nil
	}
	if len(proofs) != 1 || proofs[0] == nil {
		e.step("object", reason.New(reason.ProofInvalid, "the pack has not one proof of one object"), "")
		return nil
	}
	return proofs[0]
}

// name is what an organisation calls itself.
func (e *examination) name(org protocol.OrgID) string {
	if o, ok := e.chains.Org(org); ok {
		return o.Genesis.Name
	}
	return ""
}

func (e *examination) object(raw []byte) {
	p, err := protocol.VerifyProof(raw, e.chains)
	if err != nil {
		e.step("object", err, "")
		return
	}
	h, f := p.Header(), &e.found
	about := Describe(p.Object())
	f.Author, f.AuthorName, f.Record, f.Index = p.Org(), e.name(p.Org()), p.Record(), p.Index()
	f.Object, f.Type, f.Content = about.ID, about.Type, about.Content
	f.Topic, f.TLP, f.Created = h.Topic.String(), h.TLP.String(), h.Created.UTC()
	e.step("object", nil, fmt.Sprintf("%s stands at place %d of record %s, which %s signed", plain(about.ID), f.Index, f.Record, f.Author))
}

// fact checks the first-seen fact and its place in the tree that was committed to.
func (e *examination) fact(c *contents) bool {
	f, err := decodeFact(c.Fact)
	if err == nil && (len(c.Fact) != factBytes || f.Record != e.found.Record) {
		err = fmt.Errorf("%w of this record", errFact)
	}
	for _, raw := range c.Told {
		t, wrong := decodeFact(raw)
		if wrong == nil && (len(raw) != toldBytes || t.Record != e.found.Record) {
			wrong = fmt.Errorf("%w of this record", errFact)
		}
		if err == nil {
			err = wrong
		}
		e.found.Told = append(e.found.Told, t)
	}
	e.found.Seen, e.found.From = f.Seen, f.From
	if !e.step("first-seen fact", err, fmt.Sprintf("the maker's node says that it first saw the record at %s from %s", stamp(f.Seen), f.From)) {
		return false
	}
	entry, err := audit.ParseLine(c.Commit.Line)
	var size uint64
	var root protocol.Digest
	if err == nil {
		size, root, err = readCommit(entry)
	}
	if !e.step("commitment", err, fmt.Sprintf("entry %d of the maker's audit log, dated %s, commits to %d facts", entry.Seq, stamp(entry.At), size)) {
		return false
	}
	e.found.Committed = entry.At.UTC()
	if size != c.Commit.Size || !tlog.Included(tlog.LeafHash(c.Fact), c.Commit.Index, size, c.Commit.Path, root) {
		err = reason.New(reason.ProofInvalid, "the fact does not stand in the tree that the entry commits to")
	}
	return e.step("fact in the commitment", err, fmt.Sprintf("the fact is number %d of the %d", c.Commit.Index+1, size))
}

// entry checks the place of the commitment in the log, the checkpoint and its witnesses.
func (e *examination) entry(c *contents) {
	cp, err := tlog.Open(c.Place.Checkpoint, e.chains)
	if err == nil && cp.Org != c.Maker {
		err = reason.New(reason.SigInvalid, "it is of another organisation's log than the maker's")
	}
	if !e.step("checkpoint", err, e.checkpointText(cp)) {
		return
	}
	e.found.Log, e.found.LogSize = cp.Origin, cp.Size
	entry, err := audit.ParseLine(c.Commit.Line)
	if err == nil && !tlog.Included(tlog.LeafHash(entry.Hash[:]), c.Place.Index, cp.Size, c.Place.Path, cp.Root) {
		err = reason.New(reason.ProofInvalid, "the entry does not stand in the tree of the checkpoint")
	}
	if !e.step("commitment in the checkpoint", err, fmt.Sprintf("the entry is number %d of the %d that the checkpoint covers", c.Place.Index+1, cp.Size)) {
		return
	}
	for _, s := range cp.Cosignatures {
		e.witness(s)
	}
}

func (e *examination) checkpointText(cp *tlog.Signed) string {
	if cp == nil {
		return ""
	}
	return fmt.Sprintf("%s signed the head of its audit log with %d entries, node key %s%s", cp.Org, cp.Size, cp.Key, e.revoked(cp.Org, cp.Key))
}

// revoked says when a key is not in force any more by the chains of the pack.
func (e *examination) revoked(org protocol.OrgID, key protocol.KeyID) string {
	if o, ok := e.chains.Org(org); ok && o.Over(key) {
		return " (revoked since: its word alone is worth nothing)"
	}
	return ""
}

func (e *examination) witness(s tlog.Cosignature) {
	name := e.name(s.Org)
	err := s.Dated(e.chains, e.found.Committed)
	if s.Org == e.found.Maker {
		err = reason.New(reason.SigInvalid, "the maker is no witness of its own log")
	}
	if err == nil && !s.Counts(e.chains) {
		e.step("witness", nil, fmt.Sprintf("%s (%s) is not counted: its key was revoked since, and whoever has it may date its word as they like", name, s.Org))
		return
	}
	if e.step("witness", err, fmt.Sprintf("%s (%s) saw that checkpoint at %s", name, s.Org, stamp(s.At))) {
		e.found.Witnesses = append(e.found.Witnesses, Testimony{Org: s.Org, Name: name, At: s.At})
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
