package event

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// Rules say by which endpoint's contract a body is read.
type Rules struct {
	AnyTime  bool   // /import: events of any age
	Complete bool   // /import: time, distinct_id and $insert_id are required
	NDJSON   bool   // one item a line, so that a broken line costs only itself
	Now      Millis // receipt of the request
	Nonce    string // unique to the request; makes the ids of items that bring none
}

// Failure is an item that was refused.
type Failure struct {
	Index    int    `json:"index"`
	InsertID string `json:"$insert_id"`
	Field    string `json:"field"`
	Message  string `json:"message"`
}

// Parsed is what a body held. Tokens run beside Events or Ops. All its text is cut
// out of the body, which must stay as it is for as long as Parsed is used.
type Parsed struct {
	Events   []Event
	Ops      []Op
	Tokens   []string
	Failures []Failure
	Items    int // accepted and refused

	p *parser
}

// Release lets the next body use this one's memory: neither Parsed nor anything
// in it, nor the body, may be used afterwards.
func (r *Parsed) Release() {
	p := r.p
	if p == nil || cap(p.out) > maxReused || cap(r.Events) > maxReused/100 {
		return
	}
	clear(r.Events)
	clear(r.Tokens)
	p.Parsed = Parsed{Events: r.Events[:0], Tokens: r.Tokens[:0]}
	p.text, p.out, p.names = "", p.out[:0], p.names[:0]
	parsers.Put(p)
}

// maxReused is the size of a buffer that is not kept, in bytes.
const maxReused = 1 << 20

// ParseEvents reads the body of /track or /import: one event, an array of
// them, or NDJSON. It answers Invalid where there is nothing to tell apart (not
// JSON at all), TooLarge for too many items; a single bad event is a Failure and
// the others are kept.
func ParseEvents(body []byte, rules Rules) (*Parsed, error) {
	return parse(body, rules, (*parser).event)
}

// ParseOps reads the body of /engage.
func ParseOps(body []byte, rules Rules) (*Parsed, error) { return parse(body, rules, (*parser).op) }

// parser reads items of one body. The decoder checks syntax, except for duplicate
// names, for which the parser has a cheaper way. What it keeps, it cuts out of the
// body or puts together in out, so that events need no memory of their own.
type parser struct {
	dec   *jsontext.Decoder
	text  string   // what dec reads
	names []string // of the properties of the event in hand
	out   []byte
	rules Rules
	item  func(*parser) error
	Parsed
}

// lenient options let an array be cut into items of which some break the rules
// that the strict reading of one item then finds.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

var parsers = sync.Pool{New: func() any { return &parser{dec: jsontext.NewDecoder(bytes.NewReader(nil))} }}

// asText gives bytes that are never written again as a string, without a copy.
func asText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func parse(body []byte, rules Rules, item func(*parser) error) (*Parsed, error) {
	body = bytes.TrimSpace(body)
	if len(body) == 0 {
		return nil, fault.New(fault.Invalid, "the body is empty")
	}
	p := parsers.Get().(*parser)
	p.rules, p.item = rules, item
	result := func() (*Parsed, error) {
		r := p.Parsed
		r.p = p
		return &r, nil
	}
	err := p.strict(body)
	if err == nil {
		return result()
	}
	if fault.Of(err) == fault.TooLarge {
		return nil, err
	}
	// Something is wrong somewhere: read again, item by item.
	items, err := split(p.dec, body, rules.NDJSON)
	if err != nil {
		return nil, err
	}
	if len(items) > MaxItems {
		return nil, tooMany()
	}
	p.Parsed = Parsed{}
	for _, it := range items {
		p.alone(it)
	}
	return result()
}

// strict reads a whole body in one pass. Its error says only that it could not.
func (p *parser) strict(body []byte) error {
	p.begin(body)
	array := !p.rules.NDJSON && p.dec.PeekKind() == '['
	if array {
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
	}
	for p.dec.PeekKind() != jsontext.KindInvalid && p.dec.PeekKind() != ']' {
		if p.Items >= MaxItems {
			return tooMany()
		}
		if err := p.item(p); err != nil {
			return err
		}
		if p.Items == 1 && array { // the others will be of about the size of the first
			p.expect(len(body)/int(p.dec.InputOffset()) + 1)
		}
		if !array && !p.rules.NDJSON {
			break
		}
	}
	if array {
		if _, err := p.dec.ReadToken(); err != nil {
			return err
		}
	}
	return p.end()
}

// expect makes room for so many items.
func (p *parser) expect(n int) {
	n = min(n, MaxItems)
	if len(p.Events) > 0 {
		p.Events = slices.Grow(p.Events, n)
		p.Tokens = slices.Grow(p.Tokens, n)
	}
}

// end demands that nothing follows.
func (p *parser) end() error {
	_, err := p.dec.ReadToken()
	if err == nil {
		return errors.New("more than one value")
	}
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// alone reads one item that has been cut out of its body.
func (p *parser) alone(item []byte) {
	p.begin(item)
	before := p.Parsed
	err := p.item(p)
	if err == nil {
		err = p.end()
	}
	if err != nil {
		p.Parsed = before
		p.fail("", syntaxField(err), syntaxMessage(err))
	}
}

func (p *parser) begin(body []byte) {
	p.text = asText(body)
	p.dec.Reset(bytes.NewBuffer(body), jsontext.AllowDuplicateNames(true))
	if cap(p.out)-len(p.out) < len(body) {
		p.out = make([]byte, 0, len(body)) // what has been put together stays where it is
	}
}

// split cuts a body into its items without judging them.
func split(dec *jsontext.Decoder, body []byte, ndjson bool) ([][]byte, error) {
	var items [][]byte
	if ndjson {
		for line := range bytes.SplitSeq(body, []byte("\n")) {
			if line = bytes.TrimSpace(line); len(line) > 0 {
				if items = append(items, line); len(items) > MaxItems {
					return nil, tooMany()
				}
			}
		}
		return items, nil
	}
	dec.Reset(bytes.NewBuffer(body), lenient...)
	if dec.PeekKind() != '[' {
		if _, err := dec.ReadValue(); err != nil {
			return nil, notJSON(err)
		}
		if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
			return nil, fault.New(fault.Invalid, "the body holds more than one JSON value")
		}
		return [][]byte{body}, nil
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	for dec.PeekKind() != ']' {
		v, err := dec.ReadValue()
		if err != nil {
			return nil, notJSON(err)
		}
		end := dec.InputOffset()
		if items = append(items, body[end-int64(len(v)):end]); len(items) > MaxItems {
			return nil, tooMany()
		}
	}
	if _, err := dec.ReadToken(); err != nil {
		return nil, notJSON(err)
	}
	if _, err := dec.ReadToken(); !errors.Is(err, io.EOF) {
		return nil, fault.New(fault.Invalid, "the body holds more than one JSON value")
	}
	return items, nil
}

func tooMany() error {
	return fault.New(fault.TooLarge, "more than %d items in one request", MaxItems)
}

func notJSON(err error) error {
	detail := "the body is not valid JSON"
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		detail = fmt.Sprintf("the body is not valid JSON (at byte %d)", syn.ByteOffset)
	}
	return fault.Wrap(fault.Invalid, err, detail)
}

// syntaxField is the dotted path of the field at which an item's syntax broke.
func syntaxField(err error) string {
	var syn *jsontext.SyntacticError
	if !errors.As(err, &syn) {
		return ""
	}
	var path []string
	for tok := range syn.JSONPointer.Tokens() {
		path = append(path, tok)
	}
	return strings.Join(path, ".")
}

func syntaxMessage(err error) string {
	var syn *jsontext.SyntacticError
	if errors.As(err, &syn) {
		switch why := syn.Err.Error(); {
		case strings.Contains(why, "UTF-8"):
			return "not valid UTF-8"
		case strings.Contains(why, "surrogate"):
			return "half of a surrogate pair"
		}
	}
	return "not valid JSON"
}

// fail notes a refused item.
func (p *parser) fail(insertID, field, message string) {
	p.Failures = append(p.Failures, Failure{Index: p.Items, InsertID: insertID, Field: field, Message: message})
	p.Items++
}
