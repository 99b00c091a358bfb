package ingest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"log/slog"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// track answers /track.
func (s *server) track(w http.ResponseWriter, r *http.Request) error {
	return s.take(w, r, event.ParseEvents)
}

// engage answers /engage.
func (s *server) engage(w http.ResponseWriter, r *http.Request) error {
	return s.take(w, r, event.ParseOps)
}

// take is what both have in common: items with their tokens in them, an answer
// of 1 if at least one was kept.
func (s *server) take(w http.ResponseWriter, r *http.Request, parse func([]byte, event.Rules) (*event.Parsed, error)) error {
	if err := allowed(w, r); err != nil {
		return err
	}
	place := place{room: s.room}
	defer place.leave()
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	b, err := readBody(buf, w, r, &place)
	if err != nil {
		return err
	}
	parsed, err := parse(b.json, rules())
	if err != nil {
		return err
	}
	defer parsed.Release()
	if parsed.Items == 0 { // an empty batch
		writeTrack(w, r, http.StatusOK, true, "")
		return nil
	}
	now := time.Now()
	takers, refused, err := s.takers(r, parsed.Tokens, now)
	if err != nil {
		return err
	}
	for _, t := range takers { // before anything is taken: what is sent again would come twice
		if err := t.spend(w, now, t.n); err != nil {
			return err
		}
	}
	kept := 0
	for _, t := range takers {
		n, err := s.commit(r, t.target, parsed, func(i int) bool { return parsed.Tokens[i] == t.token })
		if err != nil {
			return err
		}
		kept += n
	}
	message := describe(parsed.Failures)
	if kept < len(parsed.Tokens) {
		if kept == 0 {
			return refused
		}
		message, _ = web.Describe(refused)
	}
	writeTrack(w, r, http.StatusOK, kept > 0, message)
	return nil
}

// importEvents answers /import.
func (s *server) importEvents(w http.ResponseWriter, r *http.Request) error {
	if err := allowed(w, r); err != nil {
		return err
	}
	t, err := s.importTarget(r)
	if err != nil {
		return err
	}
	place := place{room: s.room}
	defer place.leave()
	buf := buffers.Get().(*bytes.Buffer)
	defer release(buf)
	b, err := readBody(buf, w, r, &place)
	if err != nil {
		return err
	}
	// The older form of the endpoint, which mixpanel (node) speaks, asks for no
	// ids and is answered as /track is.
	older := b.form && r.URL.Query().Get("strict") != "1"
	rules := rules()
	rules.AnyTime, rules.Complete, rules.NDJSON = true, !older, b.ndjson
	parsed, err := event.ParseEvents(b.json, rules)
	if err != nil {
		return err
	}
	defer parsed.Release()
	now := time.Now()
	if err := t.check(r, now); err != nil {
		return err
	}
	if err := t.spend(w, now, len(parsed.Events)); err != nil {
		return err
	}
	n, err := s.commit(r, t, parsed, func(int) bool { return true })
	if err != nil {
		return err
	}
	if older {
		writeTrack(w, r, http.StatusOK, n > 0 || parsed.Items == 0, describe(parsed.Failures))
		return nil
	}
	answer := imported{Code: http.StatusOK, Failed: parsed.Failures, Imported: n, Status: "OK"}
	if len(parsed.Failures) > 0 {
		answer.Code, answer.Status = http.StatusBadRequest, http.StatusText(http.StatusBadRequest)
		answer.Error = "some data points in the request failed validation"
	}
	writeJSON(w, answer.Code, answer)
	return nil
}

// importTarget authenticates /import by HTTP Basic: the token as user name, or a
// service account with the project it means. The token may also stand in the
// query as api_key, the only way of mixpanel (node) over plain HTTP.
func (s *server) importTarget(r *http.Request) (*target, error) {
	refused := fault.New(fault.Unauthorized, "send the project token as HTTP Basic user name, or a service account with project_id")
	user, password, ok := r.BasicAuth()
	if !ok {
		user = r.URL.Query().Get("api_key")
	}
	secret := user
	if password != "" {
		secret = password
	}
	t, err := s.intake.target(r.Context(), secret)
	if err != nil {
		return nil, err
	}
	if t == nil || (t.user != "") != (password != "") {
		noteRefused(r, secret)
		return nil, refused
	}
	if t.user != "" && (t.user != user || r.URL.Query().Get("project_id") != t.project) {
		return nil, refused
	}
	return t, nil
}

// commit publishes the chosen events or operations of a request to one project,
// less those of persons who are opted out, and returns how many were taken
// (those dropped for consent included: what a person has said is not told to
// whoever holds a token).
func (s *server) commit(r *http.Request, t *target, p *event.Parsed, chosen func(int) bool) (int, error) {
	ctx := r.Context()
	optIn := t.Consent.ForRequest(r.Header) == consent.Denied
	n := len(p.Events) + len(p.Ops) // one of them is empty
	id := func(i int) string {
		if i < len(p.Events) {
			return p.Events[i].DistinctID
		}
		return p.Ops[i].DistinctID
	}
	out, err := s.intake.optedOut(ctx, t, n, id)
	if err != nil {
		return 0, err
	}
	granted := optIns(out, p, chosen)
	keep := make([]int, 0, n)
	taken := 0
	for i := range n {
		if !chosen(i) {
			continue
		}
		taken++
		// Deleting one's profile needs no consent.
		if len(out) > 0 && out[id(i)] && (len(p.Ops) == 0 || p.Ops[i].Name != "$delete") {
			continue
		}
		keep = append(keep, i)
	}
	if dropped := taken - len(keep); dropped > 0 {
		logDrop(ctx, t, dropped)
	}
	err = s.group.Commit(ctx, t.project, len(keep), func(payload []byte, k int) []byte {
		if i := keep[k]; i < len(p.Events) {
			p.Events[i].OptIn = optIn
			return event.AppendEvent(payload, &p.Events[i])
		} else {
			p.Ops[i].OptIn = optIn
			return event.AppendOp(payload, &p.Ops[i])
		}
	})
	if err != nil {
		return taken, err
	}
	for _, id := range granted {
		s.intake.heed(t, id, consent.Granted)
	}
	return taken, nil
}

// logDrop counts, for a log-based metric; it says nothing of who.
func logDrop(ctx context.Context, t *target, n int) {
	slog.InfoContext(ctx, "dropped for consent", "project", t.project, "count", n)
}

func rules() event.Rules {
	var nonce [10]byte
	rand.Read(nonce[:]) // never fails (crypto/rand since Go 1.24)
	return event.Rules{Now: event.Now(), Nonce: hex.EncodeToString(nonce[:]) + "-"}
}

func allowed(w http.ResponseWriter, r *http.Request) error {
	if r.Method == http.MethodPost || r.Method == http.MethodGet {
		return nil
	}
	w.Header().Set("Allow", "GET, POST, OPTIONS")
	return fault.New(fault.Method, "use POST, or GET with data=")
}

// describe says what was wrong with the first refused item.
func describe(failures []event.Failure) string {
	if len(failures) == 0 {
		return ""
	}
	f := failures[0]
	if f.Field == "" {
		return f.Message
	}
	return f.Field + " " + f.Message
}
