package reason

import "strings"

// Lang is a language of the catalogue, as its two-letter code (ISO 639-1).
type Lang string

// The six official languages of the United Nations. English is the original; the SPEC has it.
const (
	English Lang = "en"
	French  Lang = "fr"
	Spanish Lang = "es"
	Arabic  Lang = "ar"
	Chinese Lang = "zh"
	Russian Lang = "ru"
)

// Langs returns the languages, English first. The caller owns the slice.
func Langs() []Lang { return []Lang{English, French, Spanish, Arabic, Chinese, Russian} }

// ParseLang finds the language that a tag or locale means: "fr", "fr-CA" and "fr_CA.UTF-8" are French. It
// is false for languages that the catalogue does not have.
func ParseLang(tag string) (Lang, bool) {
	primary := strings.ToLower(tag)
	if i := strings.IndexAny(primary, "-_.@"); i >= 0 {
		primary = primary[:i]
	}
	for _, l := range Langs() {
		if string(l) == primary {
			return l, true
		}
	}
	return English, false
}

// In returns the catalogue's entry for a code in a language. What has no translation is given in English.
func In(lang Lang, code Code) (Entry, bool) {
	i, ok := places[code]
	if !ok {
		return Entry{}, false
	}
	return translated(lang, i), true
}

// AllIn returns the whole catalogue in a language, in the order in which it is written. The caller owns
// the slice.
func AllIn(lang Lang) []Entry {
	all := All()
	for i := range all {
		all[i] = translated(lang, i)
	}
	return all
}

// phrase is one line of a translation.
type phrase struct {
	code      Code
	text, fix string
}

// translated is line i of the catalogue in a language. The translations stand in the catalogue's order, so
// that the line is mostly where it is looked for first.
func translated(lang Lang, i int) Entry {
	e := catalogue[i]
	lines := phrases(lang)
	if i < len(lines) && lines[i].code == e.Code {
		e.Text, e.Fix = lines[i].text, lines[i].fix
		return e
	}
	for _, p := range lines {
		if p.code == e.Code {
			e.Text, e.Fix = p.text, p.fix
		}
	}
	return e
}

// phrases is a language's table, nil for English and for what is none.
func phrases(lang Lang) []phrase {
	switch lang {
	case French:
		return french
	case Spanish:
		return spanish
	case Arabic:
		return arabic
	case Chinese:
		return chinese
	case Russian:
		return russian
	}
	return nil
}
