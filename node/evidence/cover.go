package evidence

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"unicode"

	"tocsin/node/identity"
	"tocsin/protocol"
)

// cover writes the cover sheet: what the pack proves and what it does not, for somebody who knows nothing of tocsin.
// EVD-21: a verifier writes it anew and compares, so each byte of it belongs to version 1 of the contents. Whoever changes a word here
// raises that version, and keeps these words for packs of the old one.
func cover(f Found) string {
	var b strings.Builder
	say := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	say("")
	say("Evidence about one object of threat intelligence")
	say("================================================")
	say("")
	say("Object     %s", plain(f.Object))
	say("           of type %s", plain(f.Type))
	say("It says    %s", saying(f.Content))
	say("           (points, @ and :// are put in brackets here, and what is long is cut)")
	say("Published  by %s, which calls itself %s", f.Author, quoted(f.AuthorName))
	say("           eight words: %s", spoken(f.Author))
	say("           in record %s, at place %d", f.Record, f.Index)
	say("           dated %s by its author; topic %s, %s", stamp(f.Created), plain(f.Topic), plain(f.TLP))
	say("Seen       by the node of %s, which calls itself %s", f.Maker, quoted(f.MakerName))
	say("           eight words: %s", spoken(f.Maker))
	say("           first at %s, from %s", stamp(f.Seen), plain(f.From))
	say("Written    into that node's audit log at %s", stamp(f.Committed))
	for _, w := range f.Witnesses {
		say("Witnessed  by %s, which calls itself %s, at %s", w.Org, quoted(w.Name), stamp(w.At))
		say("           eight words: %s", spoken(w.Org))
	}
	for _, t := range f.Told {
		say("Told       %s says that it saw the record at %s, from %s", t.By, stamp(t.Seen), plain(t.From))
	}
	say("This pack  made at %s by tocsin %s, network %s", stamp(f.Made), plain(f.Program), plain(f.Network))
	say("Lists      trust list %s", f.TrustList)
	say("           warning lists of that tocsin, and %s", others(f.Warnings))
	say("")
	say("What this proves, when \"tocsin verify\" says that every step holds:")
	say("- The object is, to the byte, what a key certified by %s signed.", short(f.Author.String()))
	say("- %s kept the note \"first seen at %s\" in a log, and has not", short(f.Maker.String()), stamp(f.Seen))
	say("  changed or taken out that note since it signed the log's head.")
	if len(f.Witnesses) > 0 {
		first := f.Witnesses[0].At
		for _, w := range f.Witnesses {
			if w.At.Before(first) {
				first = w.At
			}
		}
		say("- That head existed at %s: %d other organisation(s) saw it and", stamp(first), len(f.Witnesses))
		say("  signed that it continues every earlier head they had seen. So the object existed")
		say("  by then, too, whatever the clock of the maker said.")
	}
	say("")
	say("What it does not prove:")
	say("- That the object's content is true, or that its author or anybody here is trustworthy.")
	say("- Who stands behind an organisation's id. Names are what they call themselves: compare")
	say("  the eight words, or the whole id, with them over another channel.")
	if len(f.Witnesses) == 0 {
		say("- The time. No other organisation has witnessed the log, so all times here are the")
		say("  maker's own word, and the log could have been made anew as a whole.")
	} else {
		say("- That the record was seen as early as the maker says: until the first witness's time")
		say("  above, that is the maker's word. Where it came from is the maker's word as well.")
	}
	if len(f.Told) > 0 {
		say("- What is marked \"Told\": that is the word of others, which came with a file.")
	}
	say("- That this is all: the maker chose what to put into the pack.")
	say("")
	say("To check: tocsin verify FILE (offline; it needs nothing but this file).")
	return b.String()
}

func saying(content string) string {
	if content == "" {
		return "no pattern, value or name"
	}
	return quoted(content)
}

// others are the warning lists beside the built-in ones, over which the digest is not.
func others(lists protocol.Digest) string {
	if lists == sha256.Sum256(nil) {
		return "no others"
	}
	return lists.String()
}

// plain keeps what others wrote from breaking a line of the sheet. A character that Unicode does not know yet stands, so that a
// later table makes the same sheet.
func plain(text string) string {
	const most = 200
	text = strings.Map(func(r rune) rune {
		if r != ' ' && unicode.In(r, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs, unicode.Z) {
			return '?'
		}
		return r
	}, strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "-----", "- - -")) // no line of it ends the sheet
	if r := []rune(text); len(r) > most {
		return string(r[:most]) + cutMark
	}
	return text
}

// quoted is a name in quotes, of which none can be its end.
func quoted(name string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain(name)) + `"`
}

// spoken are the words of an id by which people compare it (ID-05).
func spoken(org protocol.OrgID) string { return strings.Join(identity.Words(org), " ") }

// short is an id as people compare it at a glance; its whole stands above.
func short(id string) string { return id[:len("sha256:")+12] + cutMark }
