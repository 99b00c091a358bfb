package access

import (
	"bytes"
	"maps"
	"net/http"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// maxAnswer is how much of an answer is held back: the largest is a report's, of
// some 11 MB.
const maxAnswer = 32 << 20

// answer holds an answer back, its headers too, until it is released.
type answer struct {
	out    http.ResponseWriter
	header http.Header
	code   int
	body   bytes.Buffer
	open   bool  // released
	err    error // too large
}

func newAnswer(out http.ResponseWriter) *answer {
	return &answer{out: out, header: http.Header{}, code: http.StatusOK}
}

// Header implements http.ResponseWriter.
func (a *answer) Header() http.Header {
	if a.open {
		return a.out.Header()
	}
	return a.header
}

// WriteHeader implements http.ResponseWriter.
func (a *answer) WriteHeader(code int) {
	if !a.open && a.body.Len() == 0 {
		a.code = code
	}
}

// Write implements http.ResponseWriter.
func (a *answer) Write(b []byte) (int, error) {
	if a.open {
		return a.out.Write(b)
	}
	if a.err == nil && a.body.Len()+len(b) > maxAnswer {
		a.err = fault.New(fault.Internal, "an answer is over %d bytes", maxAnswer)
	}
	if a.err != nil {
		return 0, a.err
	}
	return a.body.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (a *answer) Unwrap() http.ResponseWriter { return a.out }

// release lets the answer out. A client that went away is no error: there is nobody
// left to tell.
func (a *answer) release() error {
	a.open = true
	maps.Copy(a.out.Header(), a.header)
	a.out.WriteHeader(a.code)
	_, _ = a.out.Write(a.body.Bytes())
	a.body = bytes.Buffer{}
	return nil
}
