package protocol

// Prune takes leaves away from a record as sent, or from a pruned one: object and salt go, the leaf's hash stays (REC-20 and after). What is
// left verifies by the root alone.
func Prune(raw []byte, drop []int) ([]byte, error) { panic("unwritten") }

// VerifyPruned is VerifyOffline for a pruned record: signature, chain and root are checked, the body hash cannot be.
func VerifyPruned(raw []byte, chains *Chains) (*Record, error) { panic("unwritten") }

// VerifyHeader checks a signed header that comes without a body.
func VerifyHeader(raw []byte, chains *Chains) (*Record, error) { panic("unwritten") }

// Missing lists the leaves that a pruned record lacks, in order; nil for a record as sent.
func (r *Record) Missing() []int { panic("unwritten") }
