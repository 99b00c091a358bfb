package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"regexp"
	"runtime/debug"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
)

// ReadTimeout is how long a request may take to arrive, body included. The
// functions framework sets no timeouts of its own.
const ReadTimeout = 20 * time.Second

type (
	requestIDKey struct{}
	traceKey     struct{}
)

// RequestID is the id of the request in hand, as the caller was told it.
func RequestID(ctx context.Context) string {
	id, _ := ctx.Value(requestIDKey{}).(string)
	return id
}

var (
	// A UUID and nothing else: it is kept in the access log for good, and what callers
	// make up may name a person.
	validRequestID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	// traceParent finds the trace id (https://www.w3.org/TR/trace-context/#traceparent-header).
	traceParent = regexp.MustCompile(`^[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-`)
)

// Handler is an HTTP handler that leaves its errors to Handle.
type Handler func(w http.ResponseWriter, r *http.Request) error

// Handle wraps a handler: it gives the request an id (the caller's X-Request-Id
// if that is a UUID), bounds the time that the body may take, counts the
// request as in flight for the shutdown, answers errors and panics with a
// problem, and logs those that are ours.
func Handle(h Handler) http.Handler {
	return HandleWith(h, WriteProblem, ReadTimeout)
}

// HandleWith is Handle for an endpoint whose contract prescribes another form of
// error, or another time for the request to arrive.
func HandleWith(h Handler, writeError func(http.ResponseWriter, *http.Request, error), readTimeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer inFlight.enter()()
		id := r.Header.Get("X-Request-Id")
		if !validRequestID.MatchString(id) {
			id = uuid.NewString()
		}
		ctx := context.WithValue(r.Context(), requestIDKey{}, id)
		if m := traceParent.FindStringSubmatch(r.Header.Get("Traceparent")); m != nil {
			ctx = context.WithValue(ctx, traceKey{}, m[1])
		}
		r = r.WithContext(ctx)
		w.Header().Set("X-Request-Id", id)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		if r.Body != nil && r.Body != http.NoBody {
			body := &timedBody{r.Body, http.NewResponseController(w)}
			body.deadline(time.Now().Add(readTimeout))
			r.Body = body
		}
		started := &startedWriter{ResponseWriter: w}
		if err := run(h, started, r); err != nil {
			logFault(r, err)
			if !started.started {
				writeError(w, r, err)
			}
		}
	})
}

// timedBody lifts the read deadline once the body has arrived. The server goes on
// reading to learn whether the client leaves, and would take a deadline that
// passes during the work for that, and cancel it.
type timedBody struct {
	io.ReadCloser
	control *http.ResponseController
}

// Read implements io.Reader.
func (b *timedBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if err == io.EOF {
		b.deadline(time.Time{})
	}
	return n, err
}

func (b *timedBody) deadline(t time.Time) {
	// Not every ResponseWriter has deadlines (a recorder in a test has none).
	_ = b.control.SetReadDeadline(t)
}

// run calls the handler and turns a panic into an Internal fault, but for
// http.ErrAbortHandler, by which an answer that has begun is cut off.
func run(h Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if p := recover(); p != nil {
			if p == http.ErrAbortHandler {
				cut(w)
				return
			}
			// The panic's value may quote data; its stack does not.
			err = fault.Wrap(fault.Internal, fmt.Errorf("panic of type %T at %s", p, debug.Stack()), "panic")
		}
	}()
	return h(w, r)
}

// cut closes the connection, so that nobody takes what has been sent for all of it. To
// panic, as for net/http itself, is not enough: the functions framework recovers, adds a
// line to the answer and ends it as if it were whole.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil { // not HTTP/1
		panic(http.ErrAbortHandler)
	}
	_ = conn.Close() // it is of no more use
}

// logFault logs what is ours to mend. What a caller did wrong is told to the
// caller; logging it would let anybody fill the log.
func logFault(r *http.Request, err error) {
	switch fault.Of(err) {
	case fault.Internal:
		slog.ErrorContext(r.Context(), "request failed", "error", err.Error(), "method", r.Method)
	case fault.Unavailable:
		if !errors.Is(err, context.Canceled) {
			slog.WarnContext(r.Context(), "dependency unavailable", "error", err.Error(), "method", r.Method)
		}
	}
}

// startedWriter remembers whether an answer has begun, after which an error can
// no longer be written.
type startedWriter struct {
	http.ResponseWriter
	started bool
}

// WriteHeader implements http.ResponseWriter.
func (s *startedWriter) WriteHeader(code int) {
	s.started = true
	s.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (s *startedWriter) Write(b []byte) (int, error) {
	s.started = true
	return s.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (s *startedWriter) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// setUp readies the process at its first request; an init only registers.
var setUp = sync.OnceFunc(func() {
	slog.SetDefault(NewLogger(os.Stdout))
	holdSIGTERM()
})

// Lazy makes the function that an init registers: it opens the real handler at
// the first request. While opening fails, requests are answered 503 and the
// next one tries again.
func Lazy(open func(context.Context) (http.Handler, error)) func(http.ResponseWriter, *http.Request) {
	lazy := gcp.Lazy[http.Handler]{Open: open}
	return func(w http.ResponseWriter, r *http.Request) {
		setUp()
		h, err := lazy.Get()
		if err != nil {
			slog.ErrorContext(r.Context(), "function did not open", "error", err.Error())
			WriteProblem(w, r, fault.Wrap(fault.Unavailable, err, "the function could not start; try again"))
			return
		}
		h.ServeHTTP(w, r)
	}
}
