package report

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Properties is the answer to GET /v1/reports/properties: what there is to choose
// from, the most frequent first.
type Properties struct {
	From       string     `json:"from"`
	To         string     `json:"to"`
	Zone       string     `json:"tz,omitempty"`
	Properties []Property `json:"properties"`
	// Truncated says that there were more names than are tracked; those that came
	// last are missing.
	Truncated  bool      `json:"truncated,omitempty"`
	ComputedAt time.Time `json:"computed_at"`
}

// Property is one name, how many events have it, and the JSON types of its values:
// string, number, boolean, null, array, object; the most frequent first.
type Property struct {
	Name  string   `json:"name"`
	Count int64    `json:"count"`
	Types []string `json:"types"`
}

// Values is the answer to GET /v1/reports/values: a property's values, the most
// frequent first. Events that lack the property are not counted.
type Values struct {
	From   string  `json:"from"`
	To     string  `json:"to"`
	Zone   string  `json:"tz,omitempty"`
	Values []Value `json:"values"`
	// LeftOut is the number of values that the limit cut off.
	LeftOut    int       `json:"left_out,omitempty"`
	Truncated  bool      `json:"truncated,omitempty"` // as of Properties
	ComputedAt time.Time `json:"computed_at"`
}

// Value is one value, as the by of a segmentation shows it, and how many events have
// it.
type Value struct {
	GroupValue
	Count int64 `json:"count"`
}

// kindCounts counts values by type.
type kindCounts [len(kindNames)]int64

func (k *kindCounts) property(name string) Property {
	p := Property{Name: name}
	for i, n := range k {
		if n > 0 {
			p.Types = append(p.Types, kindNames[i])
		}
		p.Count += n
	}
	slices.SortStableFunc(p.Types, func(a, b string) int {
		return cmp.Compare(k[slices.Index(kindNames[:], b)], k[slices.Index(kindNames[:], a)])
	})
	return p
}

// properties answers GET /v1/reports/properties, of one event or of all.
func (s *server) properties(ctx context.Context, project string, r *http.Request) (any, error) {
	p := web.ParseQuery(r)
	name := eventName(p)
	days := recent(p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	a := &Properties{From: days.from.Format(time.DateOnly), To: days.to.Format(time.DateOnly), Zone: zoneName(days.zone), Properties: []Property{}, ComputedAt: now()}
	found := map[string]*kindCounts{}
	size := 0
	see := func(name []byte, kind jsontext.Kind) {
		k := found[string(name)]
		if k == nil {
			if len(found) == maxSeries || size+len(name) > maxText {
				a.Truncated = true
				return
			}
			k = &kindCounts{}
			found[string(name)] = k
			size += len(name)
		}
		k[kinds[kind]]++
	}
	members := newMembers(see)
	err := s.each(ctx, project, days, name, members.of)
	if err != nil {
		return nil, err
	}
	for name, k := range found {
		a.Properties = append(a.Properties, k.property(name))
	}
	slices.SortFunc(a.Properties, func(a, b Property) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Name, b.Name))
	})
	return a, nil
}

// values answers GET /v1/reports/values, of one event or of all.
func (s *server) values(ctx context.Context, project string, r *http.Request) (any, error) {
	p := web.ParseQuery(r)
	name := eventName(p)
	property, _ := p.One("property")
	p.Required("property")
	if property != "" {
		checkName(p, "property", property)
	}
	limit := p.Int("limit", defaultLimit, 1, maxLimit)
	days := recent(p)
	if err := p.Err(); err != nil {
		return nil, err
	}
	a := &Values{From: days.from.Format(time.DateOnly), To: days.to.Format(time.DateOnly), Zone: zoneName(days.zone), Values: []Value{}, ComputedAt: now()}
	lookup, table := event.NewLookup(property), newValueTable()
	counts := map[int32]int64{}
	err := s.each(ctx, project, days, name, func(e *event.Event) error {
		found, err := lookup.In(e)
		if err == nil && len(found[0]) > 0 {
			counts[table.number(found[0])]++
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	a.Truncated = counts[otherValue] > 0
	for n, count := range counts {
		if n != otherValue {
			a.Values = append(a.Values, Value{table.values[n], count})
		}
	}
	slices.SortFunc(a.Values, func(a, b Value) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), a.compare(b.GroupValue))
	})
	if len(a.Values) > limit {
		a.LeftOut = len(a.Values) - limit
		a.Values = a.Values[:limit]
	}
	return a, nil
}

// eventName is the parameter event, which may be absent.
func eventName(p *web.Query) string {
	name, ok := p.One("event")
	if ok {
		checkName(p, "event", name)
	}
	return name
}

// each hands out the events of a span, of one name or, if it is empty, of any.
func (s *server) each(ctx context.Context, project string, days span, name string, fn func(*event.Event) error) error {
	one := func(e *event.Event) error {
		if name != "" && e.Name != name || !days.has(e.Time) {
			return nil
		}
		return fn(e)
	}
	return s.scan(ctx, project, days.begin, days.end, func(d *chunk.PersonDay) error { return d.Events(one) })
}

// members steps through the properties of events.
type members struct {
	see func(name []byte, kind jsontext.Kind)
	dec *jsontext.Decoder
	buf []byte

	name []byte
}

func newMembers(see func(name []byte, kind jsontext.Kind)) *members {
	return &members{see: see, dec: jsontext.NewDecoder(bytes.NewReader(nil))}
}

func (m *members) of(e *event.Event) error {
	m.buf = append(m.buf[:0], e.Properties...)
	m.dec.Reset(bytes.NewBuffer(m.buf), jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true))
	if _, err := m.dec.ReadToken(); err != nil {
		return damaged(err)
	}
	for m.dec.PeekKind() == '"' {
		raw, err := m.dec.ReadValue()
		if err != nil {
			return damaged(err)
		}
		m.name = append(m.name[:0], stringOf(raw)...) // peeking may move the decoder's buffer
		m.see(m.name, m.dec.PeekKind())
		if err := m.dec.SkipValue(); err != nil {
			return damaged(err)
		}
	}
	return nil
}

func damaged(err error) error {
	return fmt.Errorf("the properties of a stored event are damaged: %w", err)
}
