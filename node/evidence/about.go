package evidence

import (
	"encoding/json"
	"slices"
	"strings"
)

// About is what an object is about, for people. Its content is not judged: it was signed, sound or not.
type About struct {
	ID   string
	Type string
	// Content is its pattern or value or what else tells it from others, harmless to click and to print, and cut; empty for none of
	// these.
	Content string
}

// Describe reads an object.
func Describe(raw []byte) About {
	var members map[string]any
	_ = json.Unmarshal(raw, &members) // no object has no members
	text := func(name string) string {
		s, _ := members[name].(string)
		return s
	}
	return About{ID: text("id"), Type: text("type"), Content: plain(harmless(content(members, text)))}
}

// content is what an object says, of what tells it from others first. EVD-22
func content(members map[string]any, text func(string) string) string {
	for _, name := range []string{"pattern", "value", "key", "path", "command_line", "user_id", "account_login", "subject", "sighting_of_ref"} {
		if s := text(name); s != "" {
			return s
		}
	}
	if kind := text("relationship_type"); kind != "" {
		return text("source_ref") + " " + kind + " " + text("target_ref")
	}
	if s := hashes(members["hashes"]); s != "" {
		return s
	}
	for _, name := range []string{"name", "abstract", "content", "url"} {
		if s := text(name); s != "" {
			return s
		}
	}
	return ""
}

func hashes(member any) string {
	var out []string
	of, _ := member.(map[string]any)
	for name, sum := range of {
		if s, ok := sum.(string); ok {
			out = append(out, name+" "+s)
		}
	}
	slices.Sort(out)
	return strings.Join(out, ", ")
}

// harmless keeps a person from following what an object names: a point within a word, an @ and :// stand in brackets. EVD-22
func harmless(text string) string {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case strings.HasPrefix(text[i:], "://"):
			b.WriteString("[://]")
			i += len("://") - 1
		case c == '@', c == '.' && i+1 < len(text) && text[i+1] != ' ' && text[i+1] != '\'':
			b.WriteString("[" + string(c) + "]")
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}
