package local

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/logging/apiv2/loggingpb"
	ltype "google.golang.org/genproto/googleapis/logging/type"
)

// comparison is one `field op value` of a filter, with what joins it to the next.
var comparison = regexp.MustCompile(`^\s*([A-Za-z][\w.]*|labels\."[^"]+")\s*(>=|<=|!=|=|>|<|:)\s*("(?:[^"\\]|\\.)*"|[^\s"]+)\s*(?:AND\b)?`)

// parseFilter understands the part of the Logging query language that is
// comparisons joined by AND or by line ends, on logName, severity, timestamp,
// insertId, trace, textPayload, resource.type, resource.labels.K, labels.K and
// jsonPayload.PATH. Text knows =, != and : (contains). All else is an error
// rather than a filter that keeps too much.
func parseFilter(filter string) (func(*loggingpb.LogEntry) bool, error) {
	var tests []func(*loggingpb.LogEntry) bool
	for rest := strings.TrimSpace(filter); rest != ""; {
		m := comparison.FindStringSubmatch(rest)
		if m == nil {
			return nil, fmt.Errorf("the logging fake does not understand the filter from %q on", rest)
		}
		value := m[3]
		if strings.HasPrefix(value, `"`) {
			unquoted, err := strconv.Unquote(value)
			if err != nil {
				return nil, fmt.Errorf("filter: %s is not a string", value)
			}
			value = unquoted
		}
		test, err := compare(strings.ReplaceAll(m[1], `"`, ""), m[2], value)
		if err != nil {
			return nil, err
		}
		tests = append(tests, test)
		rest = strings.TrimSpace(rest[len(m[0]):])
	}
	return func(e *loggingpb.LogEntry) bool {
		for _, test := range tests {
			if !test(e) {
				return false
			}
		}
		return true
	}, nil
}

func compare(name, op, value string) (func(*loggingpb.LogEntry) bool, error) {
	switch name {
	case "severity":
		want, ok := ltype.LogSeverity_value[strings.ToUpper(value)]
		if !ok {
			return nil, fmt.Errorf("filter: no severity %q", value)
		}
		return ordered(op, func(e *loggingpb.LogEntry) int { return int(e.Severity) - int(want) })
	case "timestamp":
		want, err := time.Parse(time.RFC3339, value)
		if err != nil {
			return nil, fmt.Errorf("filter: timestamp %q is not RFC 3339", value)
		}
		return ordered(op, func(e *loggingpb.LogEntry) int { return e.Timestamp.AsTime().Compare(want) })
	}
	if !knownField(name) {
		return nil, fmt.Errorf("filter: the logging fake does not know the field %q", name)
	}
	switch op {
	case "=":
		return func(e *loggingpb.LogEntry) bool { v, ok := field(e, name); return ok && v == value }, nil
	case "!=":
		return func(e *loggingpb.LogEntry) bool { v, ok := field(e, name); return ok && v != value }, nil
	case ":":
		return func(e *loggingpb.LogEntry) bool {
			v, ok := field(e, name)
			return ok && (value == "*" || strings.Contains(strings.ToLower(v), strings.ToLower(value)))
		}, nil
	}
	return nil, fmt.Errorf("filter: the logging fake does not know %s on %s", op, name)
}

func ordered(op string, diff func(*loggingpb.LogEntry) int) (func(*loggingpb.LogEntry) bool, error) {
	test := map[string]func(int) bool{
		"=":  func(d int) bool { return d == 0 },
		"!=": func(d int) bool { return d != 0 },
		">":  func(d int) bool { return d > 0 },
		">=": func(d int) bool { return d >= 0 },
		"<":  func(d int) bool { return d < 0 },
		"<=": func(d int) bool { return d <= 0 },
	}[op]
	if test == nil {
		return nil, fmt.Errorf("filter: %s does not compare an order", op)
	}
	return func(e *loggingpb.LogEntry) bool { return test(diff(e)) }, nil
}

func knownField(name string) bool {
	switch name {
	case "logName", "insertId", "trace", "textPayload", "resource.type":
		return true
	}
	return strings.HasPrefix(name, "labels.") || strings.HasPrefix(name, "resource.labels.") || strings.HasPrefix(name, "jsonPayload.")
}
