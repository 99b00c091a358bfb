package event

import (
	"errors"
	"fmt"
	"sync"

	"github.com/klauspost/compress/s2"
	"github.com/klauspost/compress/zstd"
	"google.golang.org/protobuf/encoding/protowire"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// A payload is a sequence of records in protobuf's wire format, so that a field
// can be added without breaking what is stored:
//
//	message Payload { repeated Event event = 1; repeated Op op = 2; }
const (
	fieldEvent = 1
	fieldOp    = 2

	eventName       = 1
	eventDistinctID = 2
	eventInsertID   = 3
	eventTime       = 4
	eventReceived   = 5
	eventProperties = 6
	eventOptIn      = 7
	eventAmended    = 8
	eventSpeaker    = 9

	opDistinctID = 1
	opName       = 2
	opValue      = 3
	opReceived   = 4
	opRequest    = 5
	opSeq        = 6
	opOptIn      = 7
	opSpeaker    = 8
)

// MaxPayload bounds an unpacked payload, so that a hostile or damaged one
// cannot take the memory of a function.
const MaxPayload = 16 << 20

var (
	encoder = sync.OnceValue(func() *zstd.Encoder {
		e, err := zstd.NewWriter(nil, zstd.WithEncoderLevel(zstd.SpeedFastest))
		if err != nil {
			panic(err) // the options are constant
		}
		return e
	})
	decoder = sync.OnceValue(func() *zstd.Decoder {
		d, err := zstd.NewReader(nil, zstd.WithDecoderMaxMemory(MaxPayload), zstd.WithDecoderConcurrency(0))
		if err != nil {
			panic(err) // the options are constant
		}
		return d
	})
)

// The first byte of a packed payload names its compression.
const (
	byZstd = 1
	byS2   = 2
)

// Pack compresses a payload to rest in a chunk: zstd, half the size of S2 for
// five times the CPU.
func Pack(payload []byte) []byte {
	return encoder().EncodeAll(payload, append(make([]byte, 0, len(payload)/4+64), byZstd))
}

// PackFast compresses a payload to travel in a message: S2.
func PackFast(payload []byte) []byte {
	out := make([]byte, 1+s2.MaxEncodedLen(len(payload)))
	out[0] = byS2
	return out[:1+len(s2.Encode(out[1:], payload))]
}

func unpack(data []byte) ([]byte, error) {
	switch {
	case len(data) < 2:
		return nil, errors.New("empty")
	case data[0] == byZstd:
		return decoder().DecodeAll(data[1:], nil)
	case data[0] == byS2:
		n, err := s2.DecodedLen(data[1:])
		if err != nil {
			return nil, err
		}
		if n > MaxPayload {
			return nil, s2.ErrTooLarge
		}
		return s2.Decode(nil, data[1:])
	}
	return nil, errors.New("unknown compression")
}

// AppendEvent adds an event to a payload.
func AppendEvent(payload []byte, e *Event) []byte {
	payload = appendRecord(payload, fieldEvent, e.size())
	payload = appendString(payload, eventName, e.Name)
	payload = appendString(payload, eventDistinctID, e.DistinctID)
	payload = appendString(payload, eventInsertID, e.InsertID)
	payload = appendInt(payload, eventTime, int64(e.Time))
	payload = appendInt(payload, eventReceived, int64(e.Received))
	payload = appendString(payload, eventProperties, e.Properties)
	payload = appendInt(payload, eventOptIn, flag(e.OptIn))
	payload = appendInt(payload, eventAmended, e.Amended)
	return appendInt(payload, eventSpeaker, int64(e.Speaker))
}

// AppendOp adds a profile operation to a payload.
func AppendOp(payload []byte, o *Op) []byte {
	size := sizeString(o.DistinctID) + sizeString(o.Name) + sizeString(o.Value) + sizeString(o.Request) +
		sizeInt(int64(o.Received)) + sizeInt(int64(o.Seq)) + sizeInt(flag(o.OptIn)) + sizeInt(int64(o.Speaker))
	payload = appendRecord(payload, fieldOp, size)
	payload = appendString(payload, opDistinctID, o.DistinctID)
	payload = appendString(payload, opName, o.Name)
	payload = appendString(payload, opValue, o.Value)
	payload = appendInt(payload, opReceived, int64(o.Received))
	payload = appendString(payload, opRequest, o.Request)
	payload = appendInt(payload, opSeq, int64(o.Seq))
	payload = appendInt(payload, opOptIn, flag(o.OptIn))
	return appendInt(payload, opSpeaker, int64(o.Speaker))
}

func (e *Event) size() int {
	return sizeString(e.Name) + sizeString(e.DistinctID) + sizeString(e.InsertID) + sizeString(e.Properties) +
		sizeInt(int64(e.Time)) + sizeInt(int64(e.Received)) + sizeInt(flag(e.OptIn)) + sizeInt(e.Amended) + sizeInt(int64(e.Speaker))
}

// Field numbers are all below 16, so that a tag is one byte.

func appendRecord(b []byte, field protowire.Number, size int) []byte {
	b = protowire.AppendTag(b, field, protowire.BytesType)
	return protowire.AppendVarint(b, uint64(size))
}

func appendString(b []byte, field protowire.Number, s string) []byte {
	if s == "" {
		return b
	}
	return protowire.AppendString(protowire.AppendTag(b, field, protowire.BytesType), s)
}

func appendInt(b []byte, field protowire.Number, v int64) []byte {
	if v == 0 {
		return b
	}
	return protowire.AppendVarint(protowire.AppendTag(b, field, protowire.VarintType), uint64(v))
}

func sizeString(s string) int {
	if s == "" {
		return 0
	}
	return 1 + protowire.SizeBytes(len(s))
}

func sizeInt(v int64) int {
	if v == 0 {
		return 0
	}
	return 1 + protowire.SizeVarint(uint64(v))
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// Unpack decompresses a payload and calls the functions for its records in
// order; a nil function skips its kind. The events and operations share one
// backing text, and the structs are reused: a function that keeps one copies
// it. A payload that is damaged is an Invalid fault.
func Unpack(data []byte, onEvent func(*Event) error, onOp func(*Op) error) error {
	plain, err := unpack(data)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "the payload cannot be decompressed")
	}
	text := string(plain) // one copy, so that the records' strings need none of their own
	var e Event
	var o Op
	for pos := 0; pos < len(plain); {
		field, wire, body, n := consumeField(plain[pos:])
		if n < 0 {
			return damaged(protowire.ParseError(n))
		}
		start := pos + n - len(body)
		pos += n
		if wire != protowire.BytesType {
			continue
		}
		record := view{plain[start : start+len(body)], text[start : start+len(body)]}
		switch {
		case field == fieldEvent && onEvent != nil:
			e = Event{}
			if err := record.fields(e.set); err != nil {
				return err
			}
			if err := onEvent(&e); err != nil {
				return err
			}
		case field == fieldOp && onOp != nil:
			o = Op{}
			if err := record.fields(o.set); err != nil {
				return err
			}
			if err := onOp(&o); err != nil {
				return err
			}
		}
	}
	return nil
}

func damaged(err error) error {
	return fault.Wrap(fault.Invalid, err, "the payload is damaged")
}

func (e *Event) set(field protowire.Number, s string, v int64) {
	switch field {
	case eventName:
		e.Name = s
	case eventDistinctID:
		e.DistinctID = s
	case eventInsertID:
		e.InsertID = s
	case eventTime:
		e.Time = Millis(v)
	case eventReceived:
		e.Received = Millis(v)
	case eventProperties:
		e.Properties = s
	case eventOptIn:
		e.OptIn = v != 0
	case eventAmended:
		e.Amended = v
	case eventSpeaker:
		e.Speaker = Speaker(v)
	}
}

func (o *Op) set(field protowire.Number, s string, v int64) {
	switch field {
	case opDistinctID:
		o.DistinctID = s
	case opName:
		o.Name = s
	case opValue:
		o.Value = s
	case opReceived:
		o.Received = Millis(v)
	case opRequest:
		o.Request = s
	case opSeq:
		o.Seq = int(v)
	case opOptIn:
		o.OptIn = v != 0
	case opSpeaker:
		o.Speaker = Speaker(v)
	}
}

// view is one record as bytes, for parsing, and as text, for cutting strings from.
type view struct {
	bytes []byte
	text  string
}

// fields calls set with each field's string or number.
func (r view) fields(set func(field protowire.Number, s string, v int64)) error {
	for pos := 0; pos < len(r.bytes); {
		field, wire, body, n := consumeField(r.bytes[pos:])
		if n < 0 {
			return damaged(protowire.ParseError(n))
		}
		pos += n
		switch wire {
		case protowire.BytesType:
			set(field, r.text[pos-len(body):pos], 0)
		case protowire.VarintType:
			v, _ := protowire.ConsumeVarint(body)
			set(field, "", int64(v))
		default:
			return damaged(fmt.Errorf("wire type %d", wire))
		}
	}
	return nil
}

// consumeField reads one field: its value's bytes are the last ones of the n read.
func consumeField(b []byte) (field protowire.Number, wire protowire.Type, body []byte, n int) {
	field, wire, tag := protowire.ConsumeTag(b)
	if tag < 0 {
		return 0, 0, nil, tag
	}
	if wire == protowire.BytesType {
		body, n = protowire.ConsumeBytes(b[tag:])
	} else {
		n = protowire.ConsumeFieldValue(field, wire, b[tag:])
		if n >= 0 {
			body = b[tag : tag+n]
		}
	}
	if n < 0 {
		return 0, 0, nil, n
	}
	return field, wire, body, tag + n
}
