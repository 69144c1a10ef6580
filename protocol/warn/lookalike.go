package warn

import (
	"strings"

	"golang.org/x/net/idna"

	"tocsin/protocol/pattern"
)

// LookAlike finds the operator's own name that a value only looks like: "bаnk.example" with a
// Cyrillic а is not the bank. It is no hit, on purpose: such a name is most likely an attacker's,
// and to keep it from being blocked would help him. It is worth being told of.
func (x *Index) LookAlike(o pattern.Observable) (Hit, bool) {
	if len(x.own) == 0 {
		return Hit{}, false
	}
	name := ""
	switch o.Type {
	case pattern.Domain:
		name = o.Value
	case pattern.URL:
		name, _ = hostOf(o.Value)
	case pattern.Email:
		name = o.Value[strings.LastIndexByte(o.Value, '@')+1:]
	}
	// Label by label: what looks like a dot is none.
	for shape, ok := skeleton(name), name != ""; ok; _, shape, ok = strings.Cut(shape, ".") {
		if own, like := x.own[shape]; like {
			if name == own.name || strings.HasSuffix(name, "."+own.name) {
				return Hit{}, false // it lies in it
			}
			l := x.lists[own.list]
			return Hit{List: l.name, Entry: own.name, Weight: l.weight}, true
		}
	}
	return Hit{}, false
}

// skeleton reduces a name to what it looks like, after the idea of UTS 39: characters that
// are drawn alike become the same letter. The table is ours and small: Cyrillic, Greek, digits
// and accents that pass for Latin letters.
func skeleton(name string) string {
	if strings.Contains(name, "xn--") {
		// Labels that do not decode stay as they are.
		name, _ = idna.Punycode.ToUnicode(name)
	}
	shape := strings.Map(func(r rune) rune {
		switch {
		case r >= 0x300 && r <= 0x36f:
			return -1 // combining marks
		case r < 0x80 && r != '0' && r != '1':
			return r
		}
		for _, c := range confusables {
			if strings.ContainsRune(c.looks, r) {
				return c.like
			}
		}
		return r
	}, name)
	return strings.ReplaceAll(strings.ReplaceAll(shape, "rn", "m"), "vv", "w")
}

// confusables lists characters by the letter that they look like.
var confusables = [...]struct {
	like  rune
	looks string
}{
	{'a', "аαɑàáâãäåāăąǎạảấầẩẫậ"},
	{'b', "ЬьƅḅḃɓßЪ"},
	{'c', "сϲçćĉċčƈ"},
	{'d', "ԁďđɗḍḋ"},
	{'e', "еєεèéêëēĕėęěẹẻẽёҽ"},
	{'f', "ƒḟ"},
	{'g', "ɡցĝğġģǧǵ"},
	{'h', "һհĥħḥ"},
	{'i', "іιıìíîïĩīĭįǐịї"},
	{'j', "јϳĵǰ"},
	{'k', "кκķǩḳ"},
	{'l', "1ӏłĺļľḷǀ"},
	{'m', "мṃṁ"},
	{'n', "ոñńņňǹηṇ"},
	{'o', "0оοօσòóôõöøōŏőơọỏǒ"},
	{'p', "рρþṗ"},
	{'q', "ԛգɋ"},
	{'r', "гŕŗřɍṛ"},
	{'s', "ѕśŝşšșṣ"},
	{'t', "тτţťŧțṭ"},
	{'u', "υսùúûüũūŭůűųưụủǔ"},
	{'v', "ѵνṿ"},
	{'w', "ԝωшŵẁẃẅ"},
	{'x', "хχẋ"},
	{'y', "уүγýÿŷỳỵ"},
	{'z', "ᴢźżžẓƶ"},
}
