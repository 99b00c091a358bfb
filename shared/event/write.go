package event

import (
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
