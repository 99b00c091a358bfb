package spreadsheet_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/spreadsheet"
)

func TestGuardText(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		"":                    "",
		"plain":               "plain",
		"a=b+c-d@e":           "a=b+c-d@e",
		"ann@example.com":     "ann@example.com",
		"'tis":                "'tis",
		"—":                   "—",
		"a; b\nc":             "a; b\nc",
		"=1+1":                "'=1+1",
		"+1":                  "'+1",
		"-5":                  "'-5",
		"@SUM(A1)":            "'@SUM(A1)",
		"＝1":                  "'＝1",
		"＋1":                  "'＋1",
		"－1":                  "'－1",
		"＠A":                  "'＠A",
		"\ttab":               "'\ttab",
		"\rreturn":            "'\rreturn",
		"\nline":              "'\nline",
		"\x00nothing":         "'\x00nothing",
		" =1":                 "' =1",
		"\u00a0\u2003=1":      "'\u00a0\u2003=1",
		"\ufeff\u200b=1":      "'\ufeff\u200b=1",
		`"=1"`:                `'"=1"`,
		"\t=1":                "'\t'=1",
		"'=1":                 "''=1",
		"''=1":                "'''=1",
		"'\t":                 "''\t",
		"x;=1;y":              "x;'=1;y",
		`x;"=1;y`:             `x;'"=1;y`,
		"x\t=1\r\n- y\n @z;;": "x\t'=1\r\n'- y\n' @z;;",
		";=1":                 ";'=1",
		"a\xff;=1":            "a\xff;'=1",
	} {
		if got := spreadsheet.GuardText(s); got != want {
			t.Errorf("%q: got %q, want %q", s, got, want)
		}
		if got := restoreText(want); got != s {
			t.Errorf("%q restored: got %q, want %q", want, got, s)
		}
	}
}

func TestGuardJSON(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]string{
		`{}`:                          `{}`,
		`-5`:                          `-5`,
		`{"a":-5,"b":"=1","c":[-1]}`:  `{"a":-5,"b":"=1","c":[-1]}`,
		`{"a":"x;=1;y"}`:              `{"a":"x;\u003d1;y"}`,
		`{"a;":-5,"b":"; @c;＝d;'+e"}`: `{"a;":-5,"b":"; \u0040c;\uff1dd;'\u002be"}`,
		`["x;\t=1","x;\"=1"]`:         `["x;\t=1","x;\"=1"]`, // the cell begins with a backslash
	} {
		if got := spreadsheet.GuardJSON(s); got != want {
			t.Errorf("%s: got %s, want %s", s, got, want)
		}
	}
}

// restoreText undoes GuardText, as the description of the API tells programs to do.
func restoreText(cell string) string {
	var out strings.Builder
	for i, piece := range pieces(cell) {
		if bare, ok := strings.CutPrefix(piece, "'"); ok && (isFormula(bare) || i == 0 && isControlled(cell[1:])) {
			piece = bare
		}
		out.WriteString(piece)
	}
	return out.String()
}

// pieces cuts a text behind each separator.
func pieces(s string) (all []string) {
	for s != "" {
		n := strings.IndexAny(s, ";\t\r\n") + 1
		if n == 0 {
			n = len(s)
		}
		all, s = append(all, s[:n]), s[n:]
	}
	return all
}

// isFormula reports whether what a spreadsheet may see as a cell is a formula to it.
func isFormula(piece string) bool {
	piece = strings.TrimRight(piece, ";\t\r\n")
	piece = strings.TrimLeftFunc(piece, func(r rune) bool {
		return r == '\'' || r == '"' || unicode.IsSpace(r) || unicode.In(r, unicode.Cc, unicode.Cf)
	})
	r, _ := utf8.DecodeRuneInString(piece)
	return strings.ContainsRune("=+-@＝＋－＠", r) && piece != ""
}

// isControlled reports whether the cell of which this is left begins with a control
// character.
func isControlled(s string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(s, "'"))
	return unicode.IsControl(r)
}

// FuzzGuard holds that no piece of a guarded cell is a formula, that a guarded text can
// be restored, and that guarded JSON has the same value.
func FuzzGuard(f *testing.F) {
	for _, s := range []string{"=1", "x;=1", "'\t'=1", "a;\" ＝;'-\r\n+", "\xff;=", ";;==", "' ; @"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		cell := spreadsheet.GuardText(s)
		for _, piece := range pieces(cell) {
			if isFormula(piece) && piece[0] != '\'' {
				t.Errorf("%q: the cell %q has the formula %q", s, cell, piece)
			}
		}
		if got := restoreText(cell); got != s {
			t.Errorf("%q: the cell %q is restored to %q", s, cell, got)
		}
		text, err := json.Marshal(map[string]any{s: []any{s, -5}})
		if err != nil {
			t.Fatal(err)
		}
		cell = spreadsheet.GuardJSON(string(text))
		for _, piece := range pieces(cell) {
			if isFormula(piece) {
				t.Errorf("%s: the cell %s has the formula %s", text, cell, piece)
			}
		}
		var got, want any
		if err := json.Unmarshal([]byte(cell), &got); err != nil {
			t.Fatalf("%s: %v", cell, err)
		}
		if err := json.Unmarshal(text, &want); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("got %v, want %v (%v)", got, want, err)
		}
	})
}
