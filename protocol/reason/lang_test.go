package reason

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"
)

// translations are all languages but the original.
func translations() []Lang { return Langs()[1:] }

// RSN-04: every code has a text and a fix in each language, at the same place.
func TestTranslationsAreComplete(t *testing.T) {
	for _, l := range translations() {
		lines := phrases(l)
		if len(lines) != len(catalogue) {
			t.Errorf("%s has %d lines, the catalogue %d", l, len(lines), len(catalogue))
		}
		for i, e := range catalogue {
			if i >= len(lines) || lines[i].code != e.Code {
				t.Errorf("%s: line %d is not %s", l, i, e.Code)
				break
			}
			if lines[i].text == e.Text || lines[i].fix == e.Fix && e.Fix != "" {
				t.Errorf("%s: %s is not translated", l, e.Code)
			}
		}
	}
}

// pairs gives each sentence of the catalogue beside its translation.
func pairs(t *testing.T, each func(l Lang, code Code, english, own string)) {
	t.Helper()
	for _, l := range translations() {
		for i, e := range AllIn(l) {
			each(l, e.Code, catalogue[i].Text, e.Text)
			each(l, e.Code, catalogue[i].Fix, e.Fix)
		}
	}
}

var (
	quotedEnglish = regexp.MustCompile(`(?:^|[ (])'([^']+)'`)
	quoted        = regexp.MustCompile(`'([^']+)'`)
	flag          = regexp.MustCompile(`--[a-z-]+`)
	number        = regexp.MustCompile(`[0-9]+`)
	latin         = regexp.MustCompile(`[A-Za-z][A-Za-z0-9._/-]*`)
	grouping      = strings.NewReplacer("\u00a0", "", "20,000", "20000")
)

// all gives what an expression finds, sorted; the group when it has one.
func all(x *regexp.Regexp, s string) []string {
	var found []string
	for _, m := range x.FindAllStringSubmatch(s, -1) {
		found = append(found, m[len(m)-1])
	}
	slices.Sort(found)
	return found
}

// RSN-05: whatever can be typed, and every number, is the same in each language.
func TestTranslationsKeepCommandsAndNumbers(t *testing.T) {
	commands := 0
	pairs(t, func(l Lang, code Code, english, own string) {
		want := all(quotedEnglish, english)
		commands += len(want)
		if got := all(quoted, own); !slices.Equal(got, want) {
			t.Errorf("%s, %s: quotes %q, the English %q", l, code, got, want)
		}
		for _, x := range []*regexp.Regexp{flag, number} {
			if got, want := all(x, grouping.Replace(own)), all(x, grouping.Replace(english)); !slices.Equal(got, want) {
				t.Errorf("%s, %s: holds %q, the English %q", l, code, got, want)
			}
		}
	})
	if commands < 100 {
		t.Errorf("only %d quoted commands were compared", commands)
	}
}

func TestTranslationsAreSentences(t *testing.T) {
	pairs(t, func(l Lang, code Code, _, own string) {
		end := "."
		if l == Chinese {
			end = "。"
		}
		if !strings.HasSuffix(own, end) || strings.Count(own, "。") > 1 || strings.Contains(own, ". ") || strings.ContainsAny(own, "\n!") || strings.Contains(own, "  ") {
			t.Errorf("%s, %s: %q is not one sentence", l, code, own)
		}
		// An invisible mark of direction could make a command read otherwise than it is typed.
		if strings.ContainsFunc(own, func(r rune) bool {
			return unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) || r == unicode.ReplacementChar
		}) {
			t.Errorf("%s, %s: %q holds an invisible character", l, code, own)
		}
	})
}

// scripts are those that share no letters with English.
var scripts = map[Lang]*unicode.RangeTable{Arabic: unicode.Arabic, Chinese: unicode.Han, Russian: unicode.Cyrillic}

// A Latin word that the English does not have was left over, or is a letter that only looks right.
func TestTranslationsAreInTheirScript(t *testing.T) {
	pairs(t, func(l Lang, code Code, english, own string) {
		script, foreign := scripts[l]
		if !foreign {
			return
		}
		bare := quoted.ReplaceAllString(own, "")
		for _, word := range latin.FindAllString(bare, -1) {
			if !strings.Contains(english, strings.TrimRight(word, ".")) {
				t.Errorf("%s, %s: %q is left in Latin", l, code, word)
			}
		}
		letters := 0
		for _, r := range bare {
			if unicode.Is(script, r) {
				letters++
			} else if unicode.IsLetter(r) && !unicode.Is(unicode.Latin, r) {
				t.Errorf("%s, %s: %q is of another script", l, code, r)
			}
		}
		if first := []rune(own)[0]; l == Arabic && !unicode.Is(unicode.Arabic, first) {
			t.Errorf("%s, %s: %q does not begin with an Arabic letter", l, code, own)
		}
		if letters < 4 {
			t.Errorf("%s, %s: %q is hardly in its script", l, code, own)
		}
		for _, word := range strings.FieldsFunc(bare, func(r rune) bool { return !unicode.IsLetter(r) }) {
			if strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(script, r) }) && latin.MatchString(word) && l != Chinese {
				t.Errorf("%s, %s: %q mixes scripts", l, code, word)
			}
		}
	})
}

func TestParseLang(t *testing.T) {
	tests := []struct {
		tag  string
		want Lang
		ok   bool
	}{
		{"en", English, true}, {"fr", French, true}, {"FR", French, true}, {"fr-CA", French, true},
		{"es_MX.UTF-8", Spanish, true}, {"zh-Hans-CN", Chinese, true}, {"ar.UTF-8", Arabic, true}, {"ru@x", Russian, true},
		{"", English, false}, {"de", English, false}, {"C", English, false}, {"fra", English, false}, {"-fr", English, false},
	}
	for _, test := range tests {
		if got, ok := ParseLang(test.tag); got != test.want || ok != test.ok {
			t.Errorf("ParseLang(%q) = %s, %v", test.tag, got, ok)
		}
	}
}

func TestIn(t *testing.T) {
	e, ok := In(French, DupHeld)
	if !ok || e != (Entry{DupHeld, BlameNobody, "L’enregistrement est déjà ici.", "Rien à faire."}) {
		t.Errorf("In(fr, dup.held) = %+v, %v", e, ok)
	}
	original, _ := Lookup(DupHeld)
	for _, l := range []Lang{English, "", "de"} {
		if e, ok := In(l, DupHeld); !ok || e != original {
			t.Errorf("In(%q) = %+v, %v, want the English", l, e, ok)
		}
	}
	if e, ok := In(French, "no.such"); ok || e != (Entry{}) {
		t.Errorf("In(fr, no.such) = %+v, %v", e, ok)
	}
}
