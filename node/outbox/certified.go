package outbox

import (
	"time"

	"tocsin/protocol"
)

// Certified gives the record key in use and its newest certificate, for what a node signs outside of its key logs. cert.expired when
// there is none that is valid now.
func (p *Publisher) Certified() (*protocol.Certificate, protocol.Signer, error) {
	p.pen.mu.Lock()
	defer p.pen.mu.Unlock()
	cert, err := p.certificate(p.identity.Chains(), time.Now())
	return cert, p.pen.signer, err
}
