package protocol

// Proof shows that one object stands in a signed record, without the rest of it
// (SPEC 5): header, leaf, audit path. It is immutable.
type Proof struct {
	raw    []byte
	record RecordID
	header Header
	index  int
	object []byte
	cert   *Certificate
}

// Prove makes the proof for leaf index of a record, in wire form.
func Prove(r *Record, index int) ([]byte, error) { panic("unwritten") }

// VerifyProof checks a proof against known chains. now is not used to expire
// it: a proof holds for ever; errors carry proof.invalid or a record code.
func VerifyProof(raw []byte, chains *Chains) (*Proof, error) { panic("unwritten") }

// Record names the record that the object stands in.
func (p *Proof) Record() RecordID { return p.record }

// Header returns the record's signed header.
func (p *Proof) Header() Header { return p.header }

// Index is the object's place in the record.
func (p *Proof) Index() int { return p.index }

// Object returns the object's bytes as signed. The caller must not change them.
func (p *Proof) Object() []byte { return p.object }

// Org is the organisation that signed.
func (p *Proof) Org() OrgID { return p.cert.Org }

// FileItem is one item of a record file (SPEC 5.2): exactly one field is set.
type FileItem struct {
	Statement *Statement
	Record    []byte // to be passed to Verify
	Proof     []byte // to be passed to VerifyProof
}

// AppendFile appends an item to a record file: a CBOR sequence (RFC 8742) of
// chain statements, then records or proofs.
func AppendFile(dst []byte, items ...FileItem) ([]byte, error) { panic("unwritten") }

// ReadFile splits a record file. Errors name the item and the offset.
func ReadFile(raw []byte) ([]FileItem, error) { panic("unwritten") }

