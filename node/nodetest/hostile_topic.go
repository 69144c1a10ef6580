package nodetest

// SendMisplaced sends a good record of one topic on another.
func (h *Hostile) SendMisplaced(of, on string) {
	h.fleet.t.Helper()
	r := h.record(of, 200)
	h.invalid = append(h.invalid, r.ID())
	h.Send(on, r.Raw())
}
