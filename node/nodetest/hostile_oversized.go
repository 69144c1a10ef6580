package nodetest

import "tocsin/protocol"

// SendOversized sends a good record that is too large for gossip.
func (h *Hostile) SendOversized(topic string) {
	h.fleet.t.Helper()
	r := h.record(topic, protocol.MaxGossipBytes+1024)
	h.invalid = append(h.invalid, r.ID())
	h.Send(topic, r.Raw())
}
