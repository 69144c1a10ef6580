package nodetest

// SendReplayed sends what others published once more, as if it were new. To a node that
// holds it this is no fault of anybody, only useless.
func (h *Hostile) SendReplayed(list []Published) {
	h.fleet.t.Helper()
	for _, p := range list {
		h.Send(p.Topic.String(), p.Raw)
	}
}
