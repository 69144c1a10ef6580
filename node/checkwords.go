package node

import (
	"fmt"
	"strings"
	"time"

	"tocsin/node/figures"
)

// ago is the time since t.
func ago(t time.Time) string { return figures.Span(time.Since(t)) }

// maxSome is how many of many are named.
const maxSome = 3

// some names the first of many, and says how many there are besides.
func some(names []string) string {
	if len(names) <= maxSome {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:maxSome], ", "), len(names)-maxSome)
}
