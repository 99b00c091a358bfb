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

	proofs  map[int]string // by place in Events or Ops (Proof)
	refused map[int]bool   // by the same (Refuse)
	broken  []int          // positions of what the parser refused
	p       *parser
}

// Release lets the next body use this one's memory: neither Parsed nor anything
// in it, nor the body, may be used afterwards.
func (r *Parsed) Release() {
	p := r.p
	if p == nil || max(cap(p.out), cap(p.scratch)) > maxReused || cap(r.Events) > maxReused/100 {
		return
	}
	clear(r.Events)
	clear(r.Tokens)
	clear(p.names[:cap(p.names)]) // they are cut out of the body
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

// parser reads items of one body. What it keeps, it cuts out of the body or puts
// together in out, so that events need no memory of their own.
type parser struct {
	scanner
	dec       *jsontext.Decoder // says what is wrong with an item
	names     []string          // of the properties of the event in hand
	out       []byte
	proof     string // of the identity of the item in hand
	halfAlias bool   // alias of the event in hand has half of a surrogate pair
	rules     Rules
	item      func(*parser)
	Parsed
}

// lenient options let an array be cut into items of which some break the rules
// that the strict reading of one item then finds.
var lenient = []jsontext.Options{jsontext.AllowDuplicateNames(true), jsontext.AllowInvalidUTF8(true)}

var parsers = sync.Pool{New: func() any { return &parser{dec: jsontext.NewDecoder(bytes.NewReader(nil))} }}

// asText gives bytes that are never written again as a string, without a copy.
func asText(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

func parse(body []byte, rules Rules, item func(*parser)) (*Parsed, error) {
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
	if p.Items = 0; p.strict(body) {
		return result()
	}
	if p.Items > MaxItems {
		return nil, tooMany()
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

// strict reads a whole body in one pass; false if something is wrong somewhere.
func (p *parser) strict(body []byte) bool {
	p.begin(body)
	if p.rules.NDJSON {
		for !p.end() && p.Items <= MaxItems {
			p.item(p)
		}
	} else if p.kind() == '[' {
		p.enter()
		for n := 0; p.more(']', n) && p.Items <= MaxItems; n++ {
			p.item(p)
			if n == 0 { // the others will be of about the size of the first
				p.expect(len(body)/p.pos + 1)
			}
		}
	} else {
		p.item(p)
	}
	return p.end() && !p.bad && p.Items <= MaxItems
}

// expect makes room for so many items.
func (p *parser) expect(n int) {
	n = min(n, MaxItems)
	if len(p.Events) > 0 {
		p.Events = slices.Grow(p.Events, n)
		p.Tokens = slices.Grow(p.Tokens, n)
	}
}

// alone reads one item that has been cut out of its body.
func (p *parser) alone(item []byte) {
	p.dec.Reset(bytes.NewBufferString(mendPairs(asText(item))), jsontext.AllowDuplicateNames(true))
	_, err := p.dec.ReadValue()
	if err == nil {
		_, err = p.dec.ReadToken()
	}
	if !errors.Is(err, io.EOF) {
		p.fail("", syntaxField(err), syntaxMessage(err))
		return
	}
	p.begin(item)
	p.item(p)
}

// begin starts to read a text.
func (p *parser) begin(text []byte) {
	p.text, p.pos, p.bad = asText(text), 0, false
	if cap(p.out)-len(p.out) < len(text) {
		p.out = make([]byte, 0, len(text)) // what has been put together stays where it is
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
		if strings.Contains(syn.Err.Error(), "UTF-8") {
			return "not valid UTF-8"
		}
	}
	return "not valid JSON"
}

// fail notes a refused item.
func (p *parser) fail(insertID, field, message string) {
	p.Failures = append(p.Failures, Failure{Index: p.Items, InsertID: insertID, Field: field, Message: message})
	p.Items++
}
