// Package spreadsheet keeps spreadsheets from evaluating what stands in a CSV file
// (https://owasp.org/www-community/attacks/CSV_Injection). Every CSV file that Lethe
// writes puts its cells through it.
//
//	text ─GuardText─▶ cell: an apostrophe before what would begin a formula
//	JSON ─GuardJSON─▶ cell: the same JSON, with that character as \u003d
//
// A cell begins a formula with = + - or @, or with one of them in full width, as Excel
// in Japanese and Chinese reads them. White space, quotes and apostrophes before them do
// not count: some programs drop them. A text can also begin a cell in its middle. A
// spreadsheet of a country with a decimal comma cuts a file at each ; and not at commas,
// and does not see there that the text is quoted. So a text is guarded at its beginning
// and behind each ; tab and line break.
//
// Numbers are not put through GuardText, and stay numbers: -5 is no formula. A text that
// looks like a number is guarded, and stays a text.
//
// To undo GuardText, remove the apostrophe at each place where it puts one. A text that
// has an apostrophe there already gets another one, so that nothing is lost.
package spreadsheet

import (
	"fmt"
	"iter"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	separators = ";\t\r\n"  // begin a cell, to one spreadsheet or another
	formulas   = "=+-@＝＋－＠" // begin a formula at the beginning of a cell
	escape     = `\u%04x`   // of a character in a JSON string
	guard      = "'"        // makes a cell a text
)

// GuardText is a text as a cell that no spreadsheet takes for a formula.
func GuardText(s string) string {
	var out strings.Builder
	copied := 0
	for start := range starts(s) {
		if _, found := formulaAt(s, start); !found && !(start == 0 && beginsWithControl(s)) {
			continue
		}
		out.WriteString(s[copied:start])
		out.WriteString(guard)
		copied = start
	}
	return out.String() + s[copied:]
}

// GuardJSON is a JSON text without line breaks as a cell that no spreadsheet takes for a
// formula. It is JSON of the same value: only within strings is there a semicolon.
func GuardJSON(s string) string {
	var out strings.Builder
	copied := 0
	for start := range starts(s) {
		at, found := formulaAt(s, start)
		if !found || start == 0 { // a number
			continue
		}
		r, size := utf8.DecodeRuneInString(s[at:])
		out.WriteString(s[copied:at])
		fmt.Fprintf(&out, escape, r)
		copied = at + size
	}
	return out.String() + s[copied:]
}

// starts are the places in a text where a spreadsheet may begin a cell.
func starts(s string) iter.Seq[int] {
	return func(yield func(int) bool) {
		for start := 0; yield(start); {
			n := strings.IndexAny(s[start:], separators)
			if n < 0 {
				return
			}
			start += n + 1
		}
	}
}

// formulaAt finds the character that makes a formula of the cell that begins at start.
func formulaAt(s string, start int) (at int, found bool) {
	for i, r := range s[start:] {
		switch {
		case strings.ContainsRune(formulas, r):
			return start + i, true
		case strings.ContainsRune(separators, r) || !isDropped(r):
			return 0, false
		}
	}
	return 0, false
}

// isDropped reports whether a program may drop the character at the beginning of a cell.
func isDropped(r rune) bool {
	return r == '\'' || r == '"' || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
}

// beginsWithControl reports whether a text begins with a control character, as a tab.
func beginsWithControl(s string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, guard))
	return unicode.IsControl(r)
}
