package web

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/klauspost/compress/gzip"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// gzipMagic begins every gzip stream (RFC 1952); some SDKs compress without saying so.
var gzipMagic = []byte{0x1f, 0x8b}

// ReadBody reads a request's body, uncompressed, of at most limit bytes both on
// the wire and after gunzip. It answers TooLarge, Timeout or Invalid faults.
func ReadBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, error) {
	return ReadBodyInto(new(bytes.Buffer), w, r, limit, func() error { return nil })
}

// LargeBody is from how many bytes on, on the wire or unpacked, a body is a large one.
// No more memory than that is made ready on the word of Content-Length alone.
const LargeBody = 512 << 10

// ReadBodyInto is ReadBody with a buffer to be used again once the body is of no
// more use, for who bounds the memory of all bodies together: before it goes on to
// read a large one it asks whether it may, and returns the error if not. It may ask
// again.
func ReadBodyInto(buf *bytes.Buffer, w http.ResponseWriter, r *http.Request, limit int64, large func() error) ([]byte, error) {
	if r.ContentLength > limit {
		return nil, tooLarge(limit)
	}
	switch enc := strings.ToLower(r.Header.Get("Content-Encoding")); enc {
	case "", "identity", "gzip":
	default:
		return nil, fault.New(fault.MediaType, "Content-Encoding must be gzip or absent")
	}
	buf.Grow(int(min(max(r.ContentLength, 0), LargeBody)) + bytes.MinRead)
	if _, err := buf.ReadFrom(&asking{http.MaxBytesReader(w, r.Body, limit), LargeBody, large}); err != nil {
		return nil, readFault(err, limit)
	}
	if !bytes.HasPrefix(buf.Bytes(), gzipMagic) {
		if r.Header.Get("Content-Encoding") == "gzip" && buf.Len() > 0 {
			return nil, fault.New(fault.Invalid, "the body is not gzip, though Content-Encoding says so")
		}
		return buf.Bytes(), nil
	}
	zr, err := gzip.NewReader(buf)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "the body is not valid gzip")
	}
	plain, err := io.ReadAll(&asking{io.LimitReader(zr, limit+1), LargeBody, large})
	var refused *fault.Error
	switch {
	case errors.As(err, &refused):
		return nil, refused
	case err != nil:
		return nil, fault.Wrap(fault.Invalid, err, "the body is not valid gzip")
	}
	if int64(len(plain)) > limit {
		return nil, tooLarge(limit)
	}
	return plain, nil
}

// asking reads so many bytes, and what is left if it may.
type asking struct {
	io.Reader
	left  int
	large func() error // nil once it may
}

// Read implements io.Reader.
func (a *asking) Read(p []byte) (int, error) {
	if a.large == nil {
		return a.Reader.Read(p)
	}
	if a.left == 0 {
		if err := a.large(); err != nil {
			return 0, err
		}
		a.large = nil
		return a.Reader.Read(p)
	}
	n, err := a.Reader.Read(p[:min(len(p), a.left)])
	a.left -= n
	return n, err
}

func tooLarge(limit int64) error {
	return fault.New(fault.TooLarge, "the body is over %d bytes", limit)
}

func readFault(err error, limit int64) error {
	var refused *fault.Error
	if errors.As(err, &refused) {
		return refused
	}
	var tooBig *http.MaxBytesError
	if errors.As(err, &tooBig) {
		return tooLarge(limit)
	}
	var ne net.Error
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout() {
		return fault.Wrap(fault.Timeout, err, "the body did not arrive in time")
	}
	return fault.Wrap(fault.Invalid, err, "the body ended early")
}

// ReadJSON reads a bounded JSON body into a struct. Unknown and duplicate
// fields, invalid UTF-8 and trailing data are refused.
func ReadJSON(w http.ResponseWriter, r *http.Request, limit int64, into any) error {
	body, err := ReadBody(w, r, limit)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into, json.RejectUnknownMembers(true)); err != nil {
		return fault.Wrap(fault.Invalid, err, jsonDetail(err))
	}
	return nil
}

// jsonDetail says where a body is wrong, without quoting it.
func jsonDetail(err error) string {
	var sem *json.SemanticError
	if errors.As(err, &sem) {
		if errors.Is(err, json.ErrUnknownName) {
			return fmt.Sprintf("unknown field at %s", sem.JSONPointer)
		}
		return fmt.Sprintf("wrong type at %q: got %v", sem.JSONPointer, sem.JSONKind)
	}
	return "the body is not valid JSON"
}
