// Package reason is the catalogue of reason codes: every refusal in tocsin
// names one of them. A code is stable and dotted ("sig.invalid"); the
// catalogue says who is to blame for it, what it means and what to do next.
// The package knows nothing of records, peers or storage; it is data.
package reason

import "errors"

// Code is a stable, dotted name of one reason. Codes are never renamed or
// reused; other programs match on them.
type Code string

// Blame says whose fault a refusal is. Only BlameSender may cost a peer
// anything.
type Blame string

// The three parties that can be at fault.
const (
	BlameSender Blame = "sender"
	BlameUs     Blame = "us"
	BlameNobody Blame = "nobody"
)

// Entry is one line of the catalogue.
type Entry struct {
	// Code names the reason.
	Code Code
	// Blame says whose fault it is.
	Blame Blame
	// Text says in one sentence what happened.
	Text string
	// Fix says in one sentence what the reader can do about it.
	Fix string
}

// Error is a refusal: a code of the catalogue, the particulars, and the cause.
// The zero value is not useful; make one with New or Wrap.
type Error struct {
	// Code names the reason.
	Code Code
	// Detail holds the particulars: ids, positions, limits.
	Detail string
	// Err is the cause, or nil.
	Err error
}

// New returns a refusal with a code and its particulars.
func New(code Code, detail string) *Error { return &Error{Code: code, Detail: detail} }

// Wrap returns a refusal with a code, its particulars and the error that caused it.
func Wrap(code Code, detail string, err error) *Error {
	return &Error{Code: code, Detail: detail, Err: err}
}

// Error gives the particulars, then the cause, then the code in brackets.
func (e *Error) Error() string {
	text := e.Detail
	if text == "" {
		entry, _ := Lookup(e.Code)
		text = entry.Text
	}
	if e.Err != nil {
		text += ": " + e.Err.Error()
	}
	return text + " [" + string(e.Code) + "]"
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Of returns the code that err carries, or "" when it carries none.
func Of(err error) Code {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return ""
}

// Lookup returns the catalogue's entry for a code.
func Lookup(code Code) (Entry, bool) {
	i, ok := places[code]
	if !ok {
		return Entry{}, false
	}
	return catalogue[i], true
}

// All returns the whole catalogue in the order in which it is written. The
// caller owns the slice.
func All() []Entry { return append([]Entry(nil), catalogue...) }
