package main

import (
	"unicode"

	"golang.org/x/text/width"
)

// maxValueCells is how much of one value people see on a line; JSON has all of it.
const maxValueCells = 100

// cells counts the columns that a text takes on a terminal.
func cells(text string) int {
	n := 0
	for _, r := range text {
		n += runeCells(r)
	}
	return n
}

// runeCells is 2 for what East Asian typography calls wide, 0 for marks that stand
// on the character before.
func runeCells(r rune) int {
	if unicode.In(r, unicode.Mn, unicode.Me) {
		return 0
	}
	switch width.LookupRune(r).Kind() {
	case width.EastAsianWide, width.EastAsianFullwidth:
		return 2
	}
	return 1
}

// cutMiddle shortens a text to at most limit columns: its beginning, … and its end.
func cutMiddle(text string, limit int) string {
	if cells(text) <= limit {
		return text
	}
	runes := []rune(text)
	head, tail, room := 0, len(runes), limit-1
	for left := (room + 1) / 2; left >= runeCells(runes[head]); head++ {
		left -= runeCells(runes[head])
		room -= runeCells(runes[head])
	}
	for ; tail > head && room >= runeCells(runes[tail-1]); tail-- {
		room -= runeCells(runes[tail-1])
	}
	return string(runes[:head]) + "…" + string(runes[tail:])
}
