package event

import (
	"bytes"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"
)

// Lookup finds properties of many events, one after the other, without decoding
// the rest. It is not safe for concurrent use.
type Lookup struct {
	names  []string // quoted, as they stand in the text
	plain  []string
	dec    *jsontext.Decoder
	buf    []byte
	values []jsontext.Value
}

// NewLookup makes a Lookup of the named properties. The names distinct_id,
// $insert_id and time (in seconds) find the event's own fields.
func NewLookup(names ...string) *Lookup {
	l := &Lookup{plain: names, dec: jsontext.NewDecoder(bytes.NewReader(nil)), values: make([]jsontext.Value, len(names))}
	for _, n := range names {
		q, err := jsontext.AppendQuote(nil, n)
		if err != nil {
			q = []byte(`""`) // a name that is not UTF-8 is no event's
		}
		l.names = append(l.names, string(q))
	}
	return l
}

// In returns the values found, in the order of the names, nil where the event
// has no such property. They are valid until the next call.
func (l *Lookup) In(e *Event) ([]jsontext.Value, error) {
	clear(l.values)
	if len(l.names) == 0 {
		return l.values, nil
	}
	missing := len(l.names)
	for i, n := range l.plain {
		switch n {
		case "distinct_id":
			l.values[i] = quote(e.DistinctID)
		case "$insert_id":
			l.values[i] = quote(e.InsertID)
		case "time":
			l.values[i] = strconv.AppendFloat(nil, float64(e.Time)/1000, 'f', -1, 64)
		default:
			continue
		}
		missing--
	}
	l.buf = append(l.buf[:0], e.Properties...)
	// What is stored was checked when it came in.
	l.dec.Reset(bytes.NewBuffer(l.buf), lenient...)
	if _, err := l.dec.ReadToken(); err != nil {
		return nil, damaged(err)
	}
	for missing > 0 && l.dec.PeekKind() != '}' {
		name, err := l.dec.ReadValue()
		if err != nil {
			return nil, damaged(err)
		}
		i := l.index(name)
		v, err := l.dec.ReadValue()
		if err != nil {
			return nil, damaged(err)
		}
		if i >= 0 {
			l.values[i] = v
			missing--
		}
	}
	return l.values, nil
}

func (l *Lookup) index(raw []byte) int {
	if bytes.IndexByte(raw, '\\') >= 0 { // a name that was sent with escapes
		s, err := jsontext.AppendUnquote(nil, raw)
		if err != nil {
			return -1
		}
		raw = quote(string(s))
	}
	for i, n := range l.names {
		if n == string(raw) {
			return i
		}
	}
	return -1
}

func quote(s string) jsontext.Value {
	q, err := jsontext.AppendQuote(nil, s)
	if err != nil {
		return nil
	}
	return q
}
