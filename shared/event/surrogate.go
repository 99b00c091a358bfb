package event

import (
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// halfPair is why an id with half of a surrogate pair is refused: another half would be
// the same U+FFFD, and two persons one.
const halfPair = "holds half of a surrogate pair"

// identities are the properties that name a person, beside distinct_id, as they stand in
// the text.
var identities = map[string]bool{
	`"$user_id"`: true, `"$device_id"`: true, `"$distinct_id"`: true, `"$distinct_ids"`: true,
	`"$identified_id"`: true, `"$anon_distinct_id"`: true, `"$anon_id"`: true,
}

// isAlias tells the events whose property alias names a person.
func isAlias(event string) bool { return event == "$create_alias" || event == "alias" }

// mendPairs writes U+FFFD for each half of a surrogate pair that is escaped in JSON text.
// Text without any is not copied.
func mendPairs(text string) string {
	var mended []byte
	for i := 0; i < len(text); {
		at := strings.IndexByte(text[i:], '\\')
		if at < 0 {
			break
		}
		i += at
		r := escapedUnit(text[i:])
		switch {
		case !utf16.IsSurrogate(r):
			i += len(`\n`)
		case utf16.DecodeRune(r, escapedUnit(text[i+len(`\ud83d`):])) != utf8.RuneError:
			i += len(`\ud83d\ude00`)
		default:
			if mended == nil {
				mended = []byte(text)
			}
			i += copy(mended[i:], `\ufffd`)
		}
	}
	if mended == nil {
		return text
	}
	return string(mended)
}

// escapedUnit is the UTF-16 unit that \uXXXX stands for at the beginning of a text, or -1.
func escapedUnit(text string) rune {
	if len(text) < len(`\ud83d`) || text[0] != '\\' || text[1] != 'u' {
		return -1
	}
	v, err := strconv.ParseUint(text[2:6], 16, 16)
	if err != nil {
		return -1
	}
	return rune(v)
}
