// Package fault gives every error of the system a kind, from which the two
// decisions that depend on an error are made in one place each: package web
// turns a kind into an HTTP status and problem type, and package queue turns it
// into "deliver again" or "park in the dead letter".
//
//	domain package ──fault.New(kind, detail)──▶ wrapped with %w ──▶ web | queue
//
// The detail of a fault is written for the caller and may leave the system; the
// error it wraps is for the log alone. Neither holds personal data.
package fault

import (
	"context"
	"errors"
	"fmt"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Kind says what went wrong, in terms that a caller can act on.
type Kind string

// The kinds. All but Internal and Unavailable are the caller's to mend.
const (
	Invalid      Kind = "invalid"      // the input breaks a rule; sending it again fails again
	Unauthorized Kind = "unauthorized" // no credential, or one that is unknown
	Forbidden    Kind = "forbidden"    // a known credential without the right
	NotFound     Kind = "not-found"    // nothing there that the caller may see
	Method       Kind = "method"       // the path exists, the method does not
	Conflict     Kind = "conflict"     // the state does not allow it
	TooLarge     Kind = "too-large"    // more bytes or items than the limit
	MediaType    Kind = "media-type"   // a body in a form that is not understood
	RateLimited  Kind = "rate-limited" // too many in too short a time; try again later
	Timeout      Kind = "timeout"      // the caller was too slow to send its request
	Unavailable  Kind = "unavailable"  // a dependency is down or over its deadline; try again
	Internal     Kind = "internal"     // our fault
)

// Field is one thing that is wrong with an input.
type Field struct {
	Name   string `json:"name"`             // path of the field or query parameter
	Detail string `json:"detail"`           // what is wrong with it
	Column int    `json:"column,omitempty"` // 1-based column in the field's text, where it has one
}

// Error is an error with a kind and a text for the caller.
type Error struct {
	Kind   Kind
	Detail string  // one sentence for the caller
	Fields []Field // where the fault lies in one or more fields
	Cause  error   // for the log; may be nil
}

// Error implements error, for the log.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Kind, e.Detail, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Kind, e.Detail)
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Cause }

// New makes a fault with a formatted detail for the caller.
func New(kind Kind, format string, args ...any) *Error {
	return &Error{Kind: kind, Detail: fmt.Sprintf(format, args...)}
}

// Wrap makes a fault around a cause that only the log sees.
func Wrap(kind Kind, cause error, detail string) *Error {
	return &Error{Kind: kind, Detail: detail, Cause: cause}
}

// InField makes an Invalid fault about one field.
func InField(name, format string, args ...any) *Error {
	detail := fmt.Sprintf(format, args...)
	return &Error{Kind: Invalid, Detail: name + ": " + detail, Fields: []Field{{Name: name, Detail: detail}}}
}

// Of finds the kind of an error. An error without one is classed by its gRPC
// status or by the context's end; what remains is Internal.
func Of(err error) Kind {
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
		return Unavailable
	}
	switch status.Code(err) {
	case codes.Unavailable, codes.DeadlineExceeded, codes.Canceled, codes.Aborted, codes.ResourceExhausted:
		return Unavailable
	}
	return Internal
}

// Permanent reports whether trying the same work again is bound to fail again.
// An Internal fault is not permanent: a deployment may mend it.
func Permanent(err error) bool {
	switch Of(err) {
	case Unavailable, Internal, Timeout, RateLimited:
		return false
	}
	return true
}
