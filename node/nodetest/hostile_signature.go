package nodetest

// SendForged sends a record whose signature does not hold.
func (h *Hostile) SendForged(topic string) {
	h.fleet.t.Helper()
	r := h.record(topic, 200)
	raw := append([]byte(nil), r.Raw()...)
	raw[len(raw)-r.Header().BodyLength-1] ^= 1 // the header ends with the signature
	h.invalid = append(h.invalid, r.ID())
	h.Send(topic, raw)
}
