package stix

import "strings"

// Parser parses many objects with less work than Parse: it keeps its room from
// one to the next. The strings of its Objects share memory, so that it is for
// callers who drop the Objects together. The zero value is ready. A Parser
// must not be copied, and is not safe for concurrent use; its Objects are.
type Parser struct {
	nodes []node
	// refs and markings are gathered here before they are copied.
	refs, markings []string
	// text and list are what the strings and lists of Objects lie in. Both are
	// only ever appended to within their capacity, and replaced when it is used up.
	text strings.Builder
	list []string
}

// The room for strings and lists: the first piece suits one object, later ones double.
const (
	firstText, mostText = 512, 16 << 10
	firstList, mostList = 8, 256
)

// Parse is the function Parse.
func (p *Parser) Parse(raw []byte) (*Object, error) {
	if cap(p.nodes) == 0 {
		p.nodes = make([]node, 0, nodesFor(raw))
	}
	nodes, err := scan(raw, 0, p.nodes[:0])
	if err != nil {
		return nil, err
	}
	p.nodes = nodes
	c := checker{doc: doc{raw: raw, nodes: nodes}, refs: p.refs[:0], markings: p.markings[:0], room: p}
	c.run()
	p.refs, p.markings = c.refs, c.markings
	if len(c.found) > 0 {
		return nil, c.refusal()
	}
	return c.object(raw), nil
}

// keep copies text, of which the caller's own may be shared.
func (p *Parser) keep(text []byte) string {
	if len(text) > p.text.Cap()-p.text.Len() {
		size := max(firstText, min(2*p.text.Cap(), mostText), len(text))
		p.text = strings.Builder{}
		p.text.Grow(size)
	}
	from := p.text.Len()
	p.text.Write(text)
	return p.text.String()[from:]
}

// keepList copies a list of strings that are kept already.
func (p *Parser) keepList(texts []string) []string {
	if len(texts) == 0 {
		return nil
	}
	if len(texts) > cap(p.list)-len(p.list) {
		p.list = make([]string, 0, max(firstList, min(2*cap(p.list), mostList), len(texts)))
	}
	from := len(p.list)
	p.list = append(p.list, texts...)
	return p.list[from:len(p.list):len(p.list)]
}
