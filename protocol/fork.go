package protocol

// ForkProof is two headers that one key signed for one place of its key log
// (kind fork, SPEC 4.6). Anybody may carry it; it needs nobody's word.
type ForkProof struct {
	Org      OrgID
	Key      KeyID
	Topic    Topic
	Sequence uint64
	// Records are the two ids, ascending.
	Records [2]RecordID
}

// NewForkProof makes the body of a record of kind fork from two records (any two
// that share key, topic and sequence and differ in id).
func NewForkProof(a, b *Record) ([]byte, error) { panic("unwritten") }

// ReadForkProof reads and verifies the body of a fork record: both headers are
// canonical, name certificates of one record key, and carry valid signatures.
// fork.invalid (Reject) when the bytes show no fork, cert.unknown (Ignore) when a certificate is not known.
func ReadForkProof(body []byte, chains *Chains) (*ForkProof, error) { panic("unwritten") }

// Fork returns the proof that a record of kind fork carries, verified; nil for other kinds.
func (r *Record) Fork() *ForkProof { return r.fork }
