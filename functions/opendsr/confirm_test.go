package opendsr_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/ingest"
	"github.com/lethe-analytics/lethe/functions/opendsr"
	"github.com/lethe-analytics/lethe/functions/store"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

const needsConfirmation = "needs_confirmation"

// engage sends a $set with the public token, as anybody can, and waits until it is stored.
func (w *world) engage(id, props string) {
	w.t.Helper()
	c := ingest.Config{Config: w.Config, Linger: time.Millisecond, EdgeTimeout: 10 * time.Second, PublishTimeout: 10 * time.Second,
		ReadTimeout: 10 * time.Second, LargeWait: 10 * time.Second, CacheTTL: time.Minute}
	body := fmt.Sprintf(`[{"$token":%q,"$distinct_id":%q,"$set":%s}]`, w.Token, id, props)
	r := httptest.NewRequestWithContext(w.t.Context(), http.MethodPost, "/engage", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	rec := httptest.NewRecorder()
	ingest.New(c, w.Edge, w.ps).ServeHTTP(rec, r)
	if rec.Code != http.StatusOK {
		w.t.Fatalf("engage: got %d %s, want 200", rec.Code, rec.Body)
	}
	local.Eventually(w.t, time.Minute, func() error {
		snaps, err := w.Default.GetAll(w.t.Context(), []*firestore.DocumentRef{person.Ref(w.Default, "app", person.MakeKey(w.Project.Secret, id))})
		var doc person.Doc
		if err != nil || !snaps[0].Exists() || snaps[0].DataTo(&doc) != nil || doc.Profile == "" {
			return errors.New("the profile is not stored")
		}
		return nil
	})
}

// waits waits until a request needs confirmation.
func (w *world) waits(id string) {
	w.t.Helper()
	local.Eventually(w.t, 2*time.Minute, func() error {
		if s := w.until(id, "pending"); s.Extensions[domain]["status"] != needsConfirmation {
			return fmt.Errorf("got %+v, want %s", s, needsConfirmation)
		}
		return nil
	})
}

// named are the distinct_ids that a request is about.
func (w *world) named(s *request.Request) (ids []string) {
	for n := range s.Parts {
		part, err := request.ReadPart(w.t.Context(), w.Default, s, n)
		if err != nil {
			w.t.Error(err)
			return nil
		}
		ids = append(ids, part.IDs...)
	}
	slices.Sort(ids)
	return ids
}

// The public token stands in every page: with it anybody writes a victim's address into
// a stranger's profile. A request by that address gives out, or erases, nothing of the
// stranger, before somebody has confirmed who is meant; and of another only what a key has
// written of her.
func TestPlantedAddress(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	storing := store.New(w.Databases, w.topic(topology.DeadTopic(topology.TopicEvents)), w.topic(topology.TopicLinks))
	w.OpenPubSub(t, topology.TopicEvents)
	w.relay(topology.TopicEvents, "store", storing)
	w.engage("stranger", `{"email":"victim@example.com","$email":"victim@example.com"}`)
	w.Deliver(t, storing, nil, event.Op{DistinctID: "ann", Name: "$set", Value: `{"$email":"ann@example.com"}`, Received: event.Now(), Request: "r", Speaker: event.ByKey})
	var begun atomic.Int32
	w.work(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		done, err := s.Resolve(ctx, w.Project)
		if ids := w.named(s.Request); slices.Contains(ids, "stranger") {
			t.Errorf("%s: got work on %v, want nothing of the stranger", s.Kind, ids)
		}
		if done {
			begun.Add(1)
		}
		return request.Outcome{Done: done}, err
	})
	hashed := fmt.Sprintf("%x", sha256.Sum256([]byte("victim@example.com")))
	for _, kind := range []string{"access", "portability", "erasure"} {
		for _, who := range []map[string]any{identity("email", "victim@example.com", "raw"), identity("email", hashed, "sha256")} {
			id := newID()
			w.answered(w.do("POST", "/requests", ask(id, map[string]any{"subject_request_type": kind, "subject_identities": []any{who}})), http.StatusCreated, &opendsr.Created{})
			w.waits(id)
			r, err := request.Get(t.Context(), w.Default, "app", id, "")
			if err != nil || r.Status != request.NeedsConfirmation || r.Persons != 0 || r.Parts != 0 || r.Find != "" {
				t.Errorf("%s: got %+v, %v, want one that waits and names nobody", kind, r, err)
			}
		}
	}
	if n := begun.Load(); n != 0 {
		t.Errorf("got work on %d requests, want none", n)
	}
	id := newID()
	w.answered(w.do("POST", "/requests", ask(id, map[string]any{"subject_request_type": "access",
		"subject_identities": []any{identity("email", "ann@example.com", "raw")}})), http.StatusCreated, &opendsr.Created{})
	if s := w.until(id, "completed"); *s.Results != 1 {
		t.Errorf("got %+v, want one person", s)
	}
}

// What waits is pending: the controller hears so, and can cancel it. Once it is confirmed
// it is in progress again, with exactly those who were confirmed; refused, it is cancelled.
func TestConfirmation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, id := range []string{"yes", "no"} {
		doc := person.Doc{DistinctID: id, Profile: `{"email":"a@example.com"}`}
		if _, err := person.Ref(w.Default, "app", person.MakeKey(w.Project.Secret, id)).Set(t.Context(), doc); err != nil {
			t.Fatal(err)
		}
	}
	told := w.receiver(&receiver{})
	w.relay(topology.TopicCallbacks, "opendsr-worker", w.callbacks())
	heard := make(chan struct{})
	w.work(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		done, err := s.Resolve(ctx, w.Project)
		if ids := w.named(s.Request); done && !slices.Equal(ids, []string{"yes"}) {
			t.Errorf("got work on %v, want yes", ids)
		}
		if done {
			<-heard
		}
		return request.Outcome{Done: done}, err
	})
	confirmed, refused, cancelled := newID(), newID(), newID()
	for _, id := range []string{confirmed, refused, cancelled} {
		w.answered(w.do("POST", "/requests", ask(id, map[string]any{"subject_request_type": "access", "status_callback_urls": []string{told.URL + "/"},
			"subject_identities": []any{identity("email", "a@example.com", "raw")}})), http.StatusCreated, &opendsr.Created{})
		w.waits(id)
	}
	hears := func(id, what string, holds func(opendsr.Status) bool) {
		t.Helper()
		within(t, what, func() bool {
			told.mu.Lock()
			defer told.mu.Unlock()
			return slices.ContainsFunc(told.taken, func(s opendsr.Status) bool { return s.ID == id && holds(s) })
		})
	}
	for _, id := range []string{confirmed, refused, cancelled} {
		hears(id, "needs confirmation", func(s opendsr.Status) bool {
			return s.Status == "pending" && s.Extensions[domain]["status"] == needsConfirmation
		})
	}
	before := len(told.statuses(confirmed))
	r, err := request.Confirm(t.Context(), w.Default, w.Project, confirmed, request.Export, "officer", []string{"yes"})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.exports.Publish(t.Context(), r); err != nil {
		t.Fatal(err)
	}
	within(t, "in progress again", func() bool {
		all := told.statuses(confirmed)
		return len(all) > before && all[len(all)-1] == "in_progress"
	})
	close(heard)
	hears(confirmed, "completed", func(s opendsr.Status) bool { return s.Status == "completed" && *s.Results == 1 })
	if r, err = request.Refuse(t.Context(), w.Default, "app", refused, request.Export, "officer"); err != nil {
		t.Fatal(err)
	}
	if err := w.exports.Tell(t.Context(), w.Default, r); err != nil {
		t.Fatal(err)
	}
	hears(refused, "cancelled", func(s opendsr.Status) bool {
		return s.Status == "cancelled" && strings.HasPrefix(s.Extensions[domain]["failure"], "refused: ")
	})
	w.answered(w.do("DELETE", "/requests/"+cancelled, ""), http.StatusAccepted, &opendsr.CancelTaken{})
	hears(cancelled, "cancelled", func(s opendsr.Status) bool { return s.Status == "cancelled" && s.Extensions == nil })
}
