// Package web is what every HTTP entry point shares: the wrapping of a handler
// (request id, log, panic, read deadline, shutdown), the one table from fault
// kinds to statuses, problem+json, and bounded reading of bodies.
//
//	functions framework ─▶ Lazy (opens clients once) ─▶ Handle ─▶ handler(w, r) error
//	                                                       └─ error ─▶ Problem (RFC 9457)
package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// statuses is the one table from kinds to HTTP statuses and titles.
var statuses = map[fault.Kind]struct {
	code  int
	title string
}{
	fault.Invalid:      {http.StatusBadRequest, "The request is not valid"},
	fault.Unauthorized: {http.StatusUnauthorized, "Credentials are missing or unknown"},
	fault.Forbidden:    {http.StatusForbidden, "Not allowed"},
	fault.NotFound:     {http.StatusNotFound, "Not found"},
	fault.Method:       {http.StatusMethodNotAllowed, "Method not allowed"},
	fault.Conflict:     {http.StatusConflict, "Conflict"},
	fault.TooLarge:     {http.StatusRequestEntityTooLarge, "Too large"},
	fault.MediaType:    {http.StatusUnsupportedMediaType, "Unsupported media type"},
	fault.RateLimited:  {http.StatusTooManyRequests, "Too many requests"},
	fault.Timeout:      {http.StatusRequestTimeout, "The request took too long to arrive"},
	fault.Unavailable:  {http.StatusServiceUnavailable, "Temporarily unavailable"},
	fault.Internal:     {http.StatusInternalServerError, "Internal error"},
}

// RetryAfter is what a 503 asks a client to wait, in seconds.
const RetryAfter = 5

// Status is the HTTP status of an error.
func Status(err error) int { return statuses[fault.Of(err)].code }

// Problem is the body of every error of the API (RFC 9457).
type Problem struct {
	Type      string        `json:"type"`
	Title     string        `json:"title"`
	Status    int           `json:"status"`
	Detail    string        `json:"detail,omitempty"`
	Errors    []fault.Field `json:"errors,omitempty"`
	RequestID string        `json:"request_id,omitempty"`
}

// Describe is what the caller is told of an error. A fault in the input is told
// in full; of a fault of ours the caller learns nothing but the request id.
func Describe(err error) (detail string, fields []fault.Field) {
	var f *fault.Error
	if errors.As(err, &f) && f.Kind != fault.Internal {
		return f.Detail, f.Fields
	}
	if fault.Of(err) == fault.Unavailable {
		return "a service that this needs did not answer in time; nothing was done, try again", nil
	}
	return "something went wrong on our side; name the request id when you ask about it", nil
}

// WriteProblem answers with an error as application/problem+json.
func WriteProblem(w http.ResponseWriter, r *http.Request, err error) {
	kind := fault.Of(err)
	s := statuses[kind]
	detail, fields := Describe(err)
	h := w.Header()
	SetRetryHeaders(h, kind)
	h.Set("Content-Type", "application/problem+json")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(s.code)
	writeJSON(w, Problem{
		Type: "urn:lethe:problem:" + string(kind), Title: s.title, Status: s.code,
		Detail: detail, Errors: fields, RequestID: RequestID(r.Context()),
	})
}

// SetRetryHeaders sets the headers that go with a kind of error, whatever the
// form of its body.
func SetRetryHeaders(h http.Header, kind fault.Kind) {
	switch kind {
	case fault.Unavailable:
		h.Set("Retry-After", strconv.Itoa(RetryAfter))
	case fault.Unauthorized:
		h.Set("WWW-Authenticate", `Bearer realm="lethe"`)
	}
}

// WriteJSON answers 200 with a JSON body that no cache may keep.
func WriteJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, body)
}

// writeJSON ignores the error of a client that went away: there is nobody left
// to tell.
func writeJSON(w http.ResponseWriter, body any) {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(body)
}
