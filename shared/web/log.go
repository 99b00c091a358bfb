package web

import (
	"context"
	"log/slog"
	"os"
)

// NewLogger writes one JSON object a line with the field names that Cloud
// Logging reads: https://cloud.google.com/logging/docs/structured-logging.
// Each line carries the request id and trace, where there are any.
func NewLogger(f *os.File) *slog.Logger {
	h := slog.NewJSONHandler(f, &slog.HandlerOptions{ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
		if len(groups) > 0 {
			return a
		}
		switch a.Key {
		case slog.LevelKey:
			a.Key = "severity"
			if a.Value.Any() == slog.LevelWarn {
				a.Value = slog.StringValue("WARNING")
			}
		case slog.MessageKey:
			a.Key = "message"
		}
		return a
	}})
	return slog.New(requestLog{h})
}

// requestLog adds the request's id and trace to each record.
type requestLog struct{ slog.Handler }

// Handle implements slog.Handler.
func (l requestLog) Handle(ctx context.Context, rec slog.Record) error {
	if id := RequestID(ctx); id != "" {
		rec.AddAttrs(slog.String("request_id", id))
	}
	if trace, ok := ctx.Value(traceKey{}).(string); ok {
		rec.AddAttrs(slog.String("logging.googleapis.com/trace",
			"projects/"+os.Getenv("GOOGLE_CLOUD_PROJECT")+"/traces/"+trace))
	}
	return l.Handler.Handle(ctx, rec)
}

// WithAttrs implements slog.Handler.
func (l requestLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return requestLog{l.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (l requestLog) WithGroup(name string) slog.Handler { return requestLog{l.Handler.WithGroup(name)} }
