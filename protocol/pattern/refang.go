package pattern

import (
	"strings"
	"unicode"
)

// Refang reads a value as a person types it: spaces around it, hxxp, [.] (.)
// [@] and the like are undone, and the type is guessed from the content. It is
// Normalize without a path, but for text it also drops the spaces around.
func Refang(value string) Observable {
	return normalize("", strings.TrimFunc(value, unicode.IsSpace))
}

// mayBeDefanged reports whether v holds a mark that defanging leaves behind.
func mayBeDefanged(v string) bool {
	return strings.ContainsAny(v, "[]({<\"'`\\") || maskedScheme(v)
}

// fang undoes defanging and takes off the quotes or angle brackets around.
func fang(v string) string {
	v = unwrap(v)
	b := make([]byte, 0, len(v))
	for i := 0; i < len(v); {
		text, size := defanged(v[i:])
		if size == 0 {
			b = append(b, v[i])
			i++
			continue
		}
		for len(b) > 0 && b[len(b)-1] == ' ' {
			b = b[:len(b)-1]
		}
		b = append(b, text...)
		for i += size; i < len(v) && v[i] == ' '; {
			i++
		}
	}
	s := string(b)
	if maskedScheme(s) {
		s = "http" + s[4:]
	}
	return s
}

// maskedScheme reports whether v begins with h**p or h__p, which no scheme may hold.
func maskedScheme(v string) bool {
	return len(v) > 4 && (strings.EqualFold(v[:4], "h**p") || strings.EqualFold(v[:4], "h__p"))
}

// unwrap takes off what people put around a value.
func unwrap(v string) string {
	for len(v) > 2 {
		pair := v[:1] + v[len(v)-1:]
		if pair != "<>" && pair != `""` && pair != "''" && pair != "``" {
			break
		}
		v = strings.TrimFunc(v[1:len(v)-1], unicode.IsSpace)
	}
	return v
}

// defanged reads one defanged mark at the start of s: a mark or its word in
// brackets, a point in half of them, or an escaped point.
func defanged(s string) (text string, size int) {
	switch s[0] {
	case '[', '(', '{':
		end := strings.IndexByte(s[:min(len(s), len("[://]"))], s[0]+closing(s[0]))
		if end > 0 {
			if text := mark(s[1:end]); text != "" {
				return text, end + 1
			}
		}
		if strings.HasPrefix(s, "[.") {
			return ".", 2
		}
	case '.':
		if strings.HasPrefix(s, ".]") {
			return ".", 2
		}
	case '\\':
		if strings.HasPrefix(s, `\.`) {
			return ".", 2
		}
	}
	return "", 0
}

// closing is how far the closing bracket is behind the opening one in ASCII.
func closing(open byte) byte {
	if open == '(' {
		return 1
	}
	return 2
}

// mark gives what the inside of a defanging bracket stands for.
func mark(inside string) string {
	switch strings.ToLower(inside) {
	case ".", ",", "dot":
		return "."
	case "@", "at":
		return "@"
	case ":", "://", "/":
		return inside
	}
	return ""
}
