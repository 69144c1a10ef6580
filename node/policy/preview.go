package policy

import (
	"time"

	"tocsin/protocol/trust"
)

// Preview gives the list that would be in force if file stood in the place of the
// operator's own file: what commands changed, demotions and vouches laid over it. Nothing is
// applied. trust.file when the whole would be refused.
func (b *Book) Preview(file *trust.List) (*trust.List, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := file.Merge(b.overlay)
	if err := list.Validate(time.Now()); err != nil {
		return nil, err
	}
	return capped(list, b.demotions).WithVouches(b.vouches), nil
}
