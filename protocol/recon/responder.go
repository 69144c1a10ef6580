package recon

// Responder answers. It keeps no state between messages, so each may be answered from a newer set.
type Responder struct {
	set   Set
	limit int
}

// NewResponder wires a responder; frameLimit as for NewInitiator.
func NewResponder(s Set, frameLimit int) (*Responder, error) {
	if err := checkLimit(frameLimit); err != nil {
		return nil, err
	}
	return &Responder{set: s, limit: frameLimit}, nil
}

// Answer takes a message and returns the answer. A message of a later protocol version is answered
// with ours alone, as the protocol says. What is malformed is an error. With a frame limit of up to 64 KiB
// and messages no longer than that, none costs more than 10 ms; without a limit there is no bound.
func (r *Responder) Answer(message []byte) ([]byte, error) {
	in, other, err := open(message)
	if err != nil {
		return nil, err
	}
	a := answer{set: r.set, limit: r.limit, out: newWriter()}
	if other {
		return a.out.buf, nil
	}
	if err := a.reconcile(in); err != nil {
		return nil, err
	}
	return a.out.buf, nil
}
