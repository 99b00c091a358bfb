package dashboard

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/lethe-analytics/lethe/shared/access"
)

// accessPage is how many entries are on a page; of each the proof is asked for.
const accessPage = 25

// accessFilters are what a list of the log can be narrowed to, beside the person.
var accessFilters = []string{"from", "to", "actor", "action"}

// accessQuery is what the API is asked for the page's URL.
func (v *visit) accessQuery() (q url.Values, distinctID string, err error) {
	q = url.Values{}
	for _, name := range accessFilters {
		if text := strings.TrimSpace(v.query.Get(name)); text != "" {
			q.Set(name, text)
		}
	}
	if sealed := v.query.Get("p"); sealed != "" {
		if distinctID, err = v.unseal(sealed); err != nil {
			return nil, "", err
		}
		q.Set("distinct_id", distinctID)
	}
	return q, distinctID, nil
}

// accessLogPage answers GET /access-log.
func (s *server) accessLogPage(v *visit) error {
	q, distinctID, err := v.accessQuery()
	if err != nil {
		return err
	}
	f := accessForm(v.query, distinctID)
	if cursor := v.query.Get("cursor"); cursor != "" {
		q.Set("cursor", cursor)
	}
	q.Set("limit", "25")
	var log struct {
		Entries    []access.Line `json:"entries"`
		NextCursor string        `json:"next_cursor"`
	}
	page := sheet{Title: "Access log"}
	err = v.api.get(v.ctx, "/v1/access-log", q, &log)
	if p := invalid(err); p != nil {
		f.refused(v.query, p)
		f.setValue("distinct_id", distinctID)
		page.add(section{Forms: []*form{f}})
		return v.showAs(p.Status, page)
	}
	if err != nil {
		return err
	}
	t := &table{ID: "access-log", Caption: "Accesses, the newest first", Columns: []string{"Time (UTC)", "What", "Who", "As", "Persons", "Items", "Answer", "Request or object", "Proof"}}
	marks, seal := v.verify(log.Entries)
	for i, line := range log.Entries {
		e, err := entryOf(&line)
		if err != nil {
			t.Rows = append(t.Rows, []any{"?", "can not be read", nil, nil, nil, nil, nil, nil, marks[i]})
			continue
		}
		t.Rows = append(t.Rows, []any{toTheSecond(e.Time), e.Action, short(e.Actor), string(e.Role) + kindWord(e.ActorKind), some(e.PersonCount), some(e.Count), e.Status, text(e.Object), marks[i]})
	}
	list := section{Heading: "Accesses", Table: t, Empty: "No entry fits. Choose other days, or fewer conditions."}
	if log.NextCursor != "" {
		list.More = &anchor{"Older entries", v.again("cursor", log.NextCursor)}
	}
	whole := v.r.URL.Query()
	whole.Del("cursor")
	list.Links = []anchor{{"All that fits, as CSV", "/access-log/file?" + whole.Encode()}}
	page.add(section{
		Text:  []string{"Who has seen, exported, changed or deleted what is known of persons; each access is written before its answer leaves. The log names persons by keyed hashes alone."},
		Forms: []*form{f},
	}, list, seal)
	return v.show(page)
}

// entryOf reads an entry.
func entryOf(line *access.Line) (e access.Entry, err error) {
	err = json.Unmarshal(line.Entry, &e)
	return e, err
}

// kindWord is said of callers that are not keys.
func kindWord(kind access.ActorKind) string {
	if kind == access.ByKey {
		return ""
	}
	return " (" + string(kind) + ")"
}

// some is a number as a cell; nil if it is none.
func some(n int) any {
	if n == 0 {
		return nil
	}
	return n
}

// short is the beginning of a hash, as it is shown elsewhere.
func short(hash string) string {
	if len(hash) == 64 {
		return hash[:12]
	}
	return hash
}

// accessForm is the form of the filters. It is a POST: a distinct_id is in no URL.
func accessForm(q url.Values, distinctID string) *form {
	return &form{Do: "filter", Action: "/access-log", Button: "Show", Row: true, Fields: []field{
		{Name: "from", Label: "From", Kind: "date", Value: q.Get("from")},
		{Name: "to", Label: "To", Kind: "date", Value: q.Get("to")},
		{Name: "action", Label: "What", Value: q.Get("action"), Placeholder: "person.read", Max: 64},
		{Name: "actor", Label: "Who", Value: q.Get("actor"), Placeholder: "hash of a key", Max: 128, Hint: "The whole hash, as the CSV has it."},
		{Name: "distinct_id", Label: "About the person", Value: distinctID, Placeholder: "distinct_id", Max: 255},
	}}
}

// setValue sets what a field shows.
func (f *form) setValue(name, value string) {
	for i := range f.Fields {
		if f.Fields[i].Name == name {
			f.Fields[i].Value = value
		}
	}
}

// accessLogFilter answers POST /access-log: the same list, with the person hidden.
func (s *server) accessLogFilter(v *visit) error {
	q := url.Values{}
	for _, name := range accessFilters {
		if text := strings.TrimSpace(v.form.Get(name)); text != "" {
			q.Set(name, text)
		}
	}
	if id := v.form.Get("distinct_id"); id != "" {
		sealed, err := v.seal(id)
		if err != nil {
			return err
		}
		q.Set("p", sealed)
	}
	if len(q) == 0 {
		return v.redirect("/access-log")
	}
	return v.redirect("/access-log?" + q.Encode())
}

// accessLogFile answers GET /access-log/file: all that fits, as the API writes it.
func (s *server) accessLogFile(v *visit) error {
	q, _, err := v.accessQuery()
	if err != nil {
		return err
	}
	q.Set("format", "csv")
	resp, err := v.api.do(v.ctx, http.MethodGet, "/v1/access-log?"+q.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	v.w.Header().Set("Content-Type", "text/csv; charset=utf-8")
	v.w.Header().Set("Content-Disposition", `attachment; filename="access-log.csv"`)
	if _, err := io.Copy(v.w, resp.Body); err != nil {
		panic(http.ErrAbortHandler) // a file that is cut off must not look whole
	}
	return nil
}
