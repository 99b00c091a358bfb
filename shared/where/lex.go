package where

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenName
	tokenNumber
	tokenString
	tokenSign // an operator or a bracket
)

// token is one word of the text.
type token struct {
	kind tokenKind
	pos  int    // byte offset
	text string // as written; of a string, its characters
}

// signs, the longer before those they begin with.
var signs = []string{"==", "!=", "<=", ">=", "<", ">", "(", ")", "[", "]", ",", "+", "-", "*", "/", "%"}

// foreign are signs of other languages and what to write instead.
var foreign = []struct{ sign, instead string }{
	{"=", "=="}, {"&&", "and"}, {"||", "or"}, {"!", "not"},
}

// scan reads the token at an offset and returns the offset after it.
func scan(src string, pos int) (token, int, error) {
	for pos < len(src) && strings.IndexByte(" \t\r\n", src[pos]) >= 0 {
		pos++
	}
	if pos == len(src) {
		return token{kind: tokenEnd, pos: pos}, pos, nil
	}
	switch c := src[pos]; {
	case c == '"' || c == '\'':
		return scanString(src, pos)
	case c >= '0' && c <= '9' || c == '.':
		return scanNumber(src, pos)
	case isLetter(c):
		end := pos + 1
		for end < len(src) && (isLetter(src[end]) || src[end] >= '0' && src[end] <= '9') {
			end++
		}
		return token{kind: tokenName, pos: pos, text: src[pos:end]}, end, nil
	}
	if strings.HasPrefix(src[pos:], "<>") {
		return token{}, 0, errorAt(src, pos, "<> is not an operator here; write !=")
	}
	for _, s := range signs {
		if strings.HasPrefix(src[pos:], s) {
			return token{kind: tokenSign, pos: pos, text: s}, pos + len(s), nil
		}
	}
	for _, f := range foreign {
		if strings.HasPrefix(src[pos:], f.sign) {
			return token{}, 0, errorAt(src, pos, "%s is not an operator here; write %s", f.sign, f.instead)
		}
	}
	r, _ := utf8.DecodeRuneInString(src[pos:])
	return token{}, 0, errorAt(src, pos, "unexpected character %q", r)
}

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

func scanNumber(src string, pos int) (token, int, error) {
	end := pos
	digits := func() {
		for end < len(src) && src[end] >= '0' && src[end] <= '9' {
			end++
		}
	}
	digits()
	if end < len(src) && src[end] == '.' {
		end++
		digits()
	}
	if end < len(src) && (src[end] == 'e' || src[end] == 'E') {
		end++
		if end < len(src) && (src[end] == '+' || src[end] == '-') {
			end++
		}
		digits()
	}
	if end < len(src) && isLetter(src[end]) {
		return token{}, 0, errorAt(src, pos, "not a number")
	}
	if _, err := strconv.ParseFloat(src[pos:end], 64); err != nil {
		if strings.Contains(err.Error(), "range") {
			return token{}, 0, errorAt(src, pos, "the number is beyond a 64-bit float")
		}
		return token{}, 0, errorAt(src, pos, "not a number")
	}
	return token{kind: tokenNumber, pos: pos, text: src[pos:end]}, end, nil
}

// escapes are what may follow a backslash, beside u.
var escapes = map[byte]byte{'"': '"', '\'': '\'', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func scanString(src string, pos int) (token, int, error) {
	quote := src[pos]
	var out []byte
	for i := pos + 1; i < len(src); {
		switch c := src[i]; {
		case c == quote:
			return token{kind: tokenString, pos: pos, text: string(out)}, i + 1, nil
		case c != '\\':
			out = append(out, c)
			i++
		case i+1 < len(src) && src[i+1] == 'u':
			r, n := scanUnicode(src[i:])
			if n == 0 {
				return token{}, 0, errorAt(src, i, `\u needs four hexadecimal digits that make a character`)
			}
			out = utf8.AppendRune(out, r)
			i += n
		case i+1 < len(src):
			e, ok := escapes[src[i+1]]
			if !ok {
				return token{}, 0, errorAt(src, i, `unknown escape; a backslash itself is written \\`)
			}
			out = append(out, e)
			i += 2
		default:
			i++
		}
	}
	return token{}, 0, errorAt(src, pos, "the string that begins here does not end")
}

// scanUnicode reads \uXXXX, or a surrogate pair of two. n is 0 if it is wrong.
func scanUnicode(s string) (r rune, n int) {
	unit := func(s string) rune {
		if len(s) < 6 || s[:2] != `\u` {
			return -1
		}
		v, err := strconv.ParseUint(s[2:6], 16, 16)
		if err != nil {
			return -1
		}
		return rune(v)
	}
	r = unit(s)
	switch {
	case r < 0:
		return 0, 0
	case !utf16.IsSurrogate(r):
		return r, 6
	}
	if r = utf16.DecodeRune(r, unit(s[6:])); r == utf8.RuneError {
		return 0, 0
	}
	return r, 12
}
