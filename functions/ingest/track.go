package ingest

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"time"

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

// take is what both have in common: items with their tokens in them, or all of the
// project of a service account, and an answer of 1 if at least one was kept.
func (s *server) take(w http.ResponseWriter, r *http.Request, parse func([]byte, event.Rules) (*event.Parsed, error)) error {
	if err := allowed(w, r); err != nil {
		return err
	}
	account, err := s.account(r)
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
	takers, refused, err := s.takers(r, account, parsed.Tokens, now)
	if err != nil {
		return err
	}
	if account == nil {
		boundLinks(parsed)
	}
	for _, t := range takers { // before anything is taken: what is sent again would come twice
		if err := t.spend(w, now, t.n); err != nil {
			return err
		}
	}
	kept := 0
	for _, t := range takers {
		n, err := s.commit(r, t.target, parsed, func(i int) bool { return account != nil || parsed.Tokens[i] == t.token })
		if err != nil {
			return err
		}
		kept += n
	}
	message := describe(parsed.Failures)
	if kept < parsed.Taken() {
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
	if t.user == "" {
		boundLinks(parsed)
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
