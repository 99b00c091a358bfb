package person

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
)

// CheckID says what is wrong with a distinct_id about which something is going to
// be written, by the rules that hold for those of events: what would never match
// an event, or would match everybody's, is refused.
func CheckID(field, distinctID string) error {
	switch {
	case distinctID == "":
		return fault.InField(field, "is required")
	case !utf8.ValidString(distinctID):
		return fault.InField(field, "not valid UTF-8")
	case utf8.RuneCountInString(distinctID) > event.MaxString:
		return fault.InField(field, "is longer than %d characters", event.MaxString)
	case strings.ContainsFunc(distinctID, func(r rune) bool { return r <= unicode.MaxASCII && unicode.IsControl(r) }):
		return fault.InField(field, "holds a control character")
	case event.IsNobody(distinctID):
		return fault.InField(field, "stands for nobody in particular")
	}
	return nil
}
