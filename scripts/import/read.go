package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
)

// maxLine bounds a line. It may have what an export adds to an event.
const maxLine = event.MaxBytes + event.MaxAdded

// maxBatch bounds what a request has before its last record, so that it is under the
// server's limit with that, whatever prepare adds.
const maxBatch = event.MaxBody - 2*maxLine

// record is a line that is sent, or refused before.
type record struct {
	line int // from 1
	text []byte
}

// batch is what one request holds.
type batch struct {
	body    []byte
	records []record  // of the body, one each
	refused []refusal // of the lines beside
	claims  int       // of the records: those that say who is who
	bytes   int64     // of the input, up to its end
	lines   int
	done    chan error // of sending
}

// refusal is a record that is not stored, as it stands in the file of those.
type refusal struct {
	Line   int    `json:"line"`
	Field  string `json:"field,omitempty"`
	Reason string `json:"reason"`
	Record string `json:"record"` // the line; cut off if it is too long
}

// lines reads lines of any length, of which at most maxLine+1 bytes are kept.
type lines struct {
	in    *bufio.Reader
	bytes int64
	n     int
}

func (l *lines) next() (text []byte, err error) {
	for {
		part, err := l.in.ReadSlice('\n')
		l.bytes += int64(len(part))
		if room := maxLine + 1 - len(text); room > 0 {
			text = append(text, part[:min(len(part), room)]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			continue
		case err == io.EOF && len(part) == 0 && len(text) == 0:
			return nil, io.EOF
		case err != nil && err != io.EOF:
			return nil, err
		}
		l.n++
		return text, nil
	}
}

// next reads a batch; one without lines is the end.
func (j *job) next() (*batch, error) {
	b := &batch{done: make(chan error, 1)}
	for len(b.records) < j.options.batch && len(b.body) < maxBatch && b.claims < identity.MaxClaims {
		text, err := j.lines.next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, err
		}
		b.bytes, b.lines = j.lines.bytes, j.lines.n
		text = bytes.TrimSpace(text)
		if len(text) == 0 {
			continue
		}
		made, err := prepare(text, j.options.zone)
		if len(text) > maxLine {
			made, err = nil, errors.New("is over 1 MB")
		}
		if err != nil {
			b.refused = append(b.refused, refusal{Line: j.lines.n, Reason: err.Error(), Record: string(text)})
			continue
		}
		b.records = append(b.records, record{j.lines.n, text})
		b.body = append(b.body, made...)
		if isClaim(made) {
			b.claims++
		}
	}
	return b, nil
}

// isClaim reports whether a record says who is who. Of those the server takes so many of
// one request.
func isClaim(record []byte) bool {
	var e struct {
		Event string `json:"event"`
	}
	return json.Unmarshal(record, &e) == nil && identity.IsClaim(e.Event)
}
