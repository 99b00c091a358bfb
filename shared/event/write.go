package event

import (
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
)

// AppendJSON adds an event as people and other programs read it: in the form in which
// SDKs send it, with the time as RFC 3339.
//
//	{"event":…,"time":…,"properties":{"distinct_id":…,"$insert_id":…,…}}
//
// What is no valid UTF-8 is replaced; the properties are taken for the valid object
// that they were stored as.
func AppendJSON(dst []byte, e *Event) []byte {
	dst = append(dst, `{"event":`...)
	dst = appendQuoted(dst, e.Name)
	dst = append(dst, `,"time":"`...)
	format := "2006-01-02T15:04:05Z"
	if e.Time%1000 != 0 {
		format = "2006-01-02T15:04:05.000Z"
	}
	dst = e.Time.Time().AppendFormat(dst, format)
	dst = append(dst, `","properties":{"distinct_id":`...)
	dst = appendQuoted(dst, e.DistinctID)
	dst = append(dst, `,"$insert_id":`...)
	dst = appendQuoted(dst, e.InsertID)
	if len(e.Properties) > 2 {
		dst = append(append(dst, ','), e.Properties[1:]...)
		return append(dst, '}')
	}
	return append(dst, "}}"...)
}

func appendQuoted(dst []byte, s string) []byte {
	dst, _ = jsontext.AppendQuote(dst, s) // of what is not UTF-8 it writes replacements
	return dst
}

// Names that an export adds to the properties of an event. The parser takes both for
// the server's, so that no event has a property of that name.
const (
	ProcessedName = "mp_processing_time_ms" // when the event was received; Mixpanel's name
	RestName      = "$lethe_ms"             // the milliseconds of the time beyond its whole second; absent: 0
)

// TimeForm is how an export writes the time of an event.
type TimeForm int

// The forms of time. Of these, all but WholeSeconds have what ParseEvents needs to read
// the same event.
const (
	Seconds      TimeForm = iota // whole seconds, as Mixpanel has it, with the rest under RestName
	Milliseconds                 // as Mixpanel has it with time_in_ms
	WholeSeconds                 // without the rest
)

// AppendExport adds an event as Mixpanel's raw export has it. ParseEvents reads it back:
// the key is the same, and so are the properties.
//
//	{"event":…,"properties":{"time":…,"distinct_id":…,"$insert_id":…,"mp_processing_time_ms":…,…}}
func AppendExport(dst []byte, e *Event, form TimeForm) []byte {
	dst = appendQuoted(append(dst, `{"event":`...), e.Name)
	dst = append(dst, `,"properties":{"time":`...)
	rest := (e.Time%1000 + 1000) % 1000
	if form == Milliseconds {
		dst = strconv.AppendInt(dst, int64(e.Time), 10)
	} else {
		dst = strconv.AppendInt(dst, int64(e.Time-rest)/1000, 10)
	}
	if form == Seconds && rest > 0 {
		dst = strconv.AppendInt(append(dst, `,"`+RestName+`":`...), int64(rest), 10)
	}
	dst = appendQuoted(append(dst, `,"distinct_id":`...), e.DistinctID)
	dst = appendQuoted(append(dst, `,"$insert_id":`...), e.InsertID)
	if !hasProcessed(e) {
		dst = strconv.AppendInt(append(dst, `,"`+ProcessedName+`":`...), int64(e.Received), 10)
	}
	if len(e.Properties) > 2 {
		return append(append(append(dst, ','), e.Properties[1:]...), '}')
	}
	return append(dst, "}}"...)
}

// hasProcessed reports whether an event has a property of that name, as those have that
// were imported from Mixpanel before the parser took it for the server's. No object may
// have a name twice.
func hasProcessed(e *Event) bool {
	if !strings.Contains(e.Properties, ProcessedName) {
		return false
	}
	values, err := NewLookup(ProcessedName).In(e)
	return err == nil && values[0] != nil
}
