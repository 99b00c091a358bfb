package admin

import (
	"bufio"
	"context"
	"encoding/csv"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/spreadsheet"
	"github.com/lethe-analytics/lethe/shared/web"
)

// AccessLog is a page of the access log: the newest entries first.
type AccessLog struct {
	Entries    []json.RawMessage `json:"entries"` // each an access.Line
	NextCursor string            `json:"next_cursor,omitempty"`
}

// Limits of a page; NDJSON and CSV have none.
const (
	defaultLimit = 100
	maxLimit     = 1000
)

// The forms of the log.
const (
	asJSON   = "json"
	asNDJSON = "ndjson"
	asCSV    = "csv"
)

// words is the form of actors and actions. These parameters are kept in the log as they
// are: what could be somebody's address must not get there.
var words = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

func word(q *web.Query, name string) string {
	text, given := q.One(name)
	if given && text != "" && !words.MatchString(text) {
		q.Fail(name, "is not one that the log can have")
	}
	return text
}

// accessLog answers GET /v1/access-log.
func (s *server) accessLog(ctx context.Context, c *access.Call, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	var f access.Filter
	f.From, f.To = q.Dates()
	f.Actor, f.Action = word(q, "actor"), word(q, "action")
	f.Cursor, _ = q.One("cursor")
	format := q.Choice("format", asJSON, asNDJSON, asCSV)
	limit := q.Int("limit", defaultLimit, 1, maxLimit)
	distinctID, about := q.One("distinct_id")
	if f.Cursor != "" {
		if err := access.CheckCursor(f.Cursor); err != nil {
			q.FailWith("cursor", err)
		}
	}
	if err := q.Err(); err != nil {
		return err
	}
	if about {
		p, err := project.Get(ctx, s.DB, c.Project)
		if err != nil {
			return err
		}
		f.Person = person.MakeKey(p.Secret, distinctID)
		c.About(f.Person)
	}
	if format != asJSON {
		return s.stream(ctx, c, w, f, format)
	}
	a := AccessLog{Entries: []json.RawMessage{}}
	last := ""
	for rec, err := range access.List(ctx, s.DB, c.Project, f) {
		if err != nil {
			return err
		}
		if len(a.Entries) == limit {
			a.NextCursor = last
			break
		}
		a.Entries, last = append(a.Entries, rec.Append(nil)), rec.ID
	}
	c.Count(len(a.Entries))
	web.WriteJSON(w, a)
	return nil
}

// stream answers with all that the filter takes. The access is logged before its
// first line leaves.
func (s *server) stream(ctx context.Context, c *access.Call, w http.ResponseWriter, f access.Filter, format string) error {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", map[string]string{asNDJSON: "application/x-ndjson", asCSV: "text/csv; charset=utf-8; header=present"}[format])
	if err := c.Release(ctx); err != nil {
		return err
	}
	out := bufio.NewWriterSize(w, 64<<10)
	var line []byte
	write := func(rec *access.Record) error {
		line = append(rec.Append(line[:0]), '\n')
		_, err := out.Write(line)
		return err
	}
	if format == asCSV {
		table := csv.NewWriter(out)
		if err := table.Write(columns); err != nil {
			return err
		}
		defer table.Flush() // for an error; the end flushes itself
		write = func(rec *access.Record) error {
			if err := table.Write(row(rec)); err != nil {
				return err
			}
			table.Flush()
			return table.Error()
		}
	}
	for rec, err := range access.List(ctx, s.DB, c.Project, f) {
		if err != nil {
			return err
		}
		if err := write(rec); err != nil {
			return err
		}
	}
	return out.Flush()
}

// columns are those of the CSV.
var columns = []string{"index", "id", "time", "actor_kind", "actor", "role", "action", "object", "persons", "person_count", "count", "query", "request_id", "grant", "status", "altered"}

func row(rec *access.Record) []string {
	e := rec.Entry()
	index, query := "", ""
	if rec.Sealed {
		index = strconv.FormatInt(rec.Index, 10)
	}
	if len(e.Query) > 0 {
		b, err := json.Marshal(e.Query)
		if err == nil {
			query = spreadsheet.GuardJSON(string(b))
		}
	}
	keys := make([]string, len(e.Persons))
	for i, k := range e.Persons {
		keys[i] = string(k)
	}
	text := spreadsheet.GuardText
	return []string{index, text(rec.ID), e.Time.Format(time.RFC3339Nano), text(string(e.ActorKind)), text(e.Actor), text(string(e.Role)), text(e.Action), text(e.Object),
		text(strings.Join(keys, " ")), strconv.Itoa(e.PersonCount), strconv.Itoa(e.Count), query, text(e.Request), text(e.Grant), strconv.Itoa(e.Status), strconv.FormatBool(rec.Altered)}
}
