package request_test

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// people stores persons: distinct_ids and profiles, as keys have written them.
func (w *world) people(profiles map[string]any) {
	w.t.Helper()
	w.profiles(profiles, true)
}

// profiles stores persons with profiles that keys have written, or the public token.
func (w *world) profiles(profiles map[string]any, attested bool) {
	w.t.Helper()
	bulk := w.Default.BulkWriter(w.t.Context())
	for id, p := range profiles {
		doc := person.Doc{DistinctID: id}
		if p != nil {
			b, err := json.Marshal(p)
			if err != nil {
				w.t.Fatal(err)
			}
			if doc.Profile = string(b); attested {
				doc.Attested = doc.Profile
			}
		}
		if _, err := bulk.Set(person.Ref(w.Default, w.Project.ID, person.MakeKey(w.Project.Secret, id)), doc); err != nil {
			w.t.Fatal(err)
		}
	}
	bulk.End()
}

// resolving is work that ends with Resolve.
func (w *world) resolving(ctx context.Context, s *request.Slice) (request.Outcome, error) {
	done, err := s.Resolve(ctx, w.Project)
	return request.Outcome{Done: done}, err
}

// persons are the distinct_ids in a request's parts, and the keys that go with them.
func (w *world) persons(r *request.Request) (ids []string) {
	w.t.Helper()
	for n := range r.Parts {
		part, err := request.ReadPart(w.t.Context(), w.Default, r, n)
		if err != nil {
			w.t.Fatal(err)
		}
		if len(part.IDs) > request.PartSize || n < r.Parts-1 && len(part.IDs) != request.PartSize || part.Project != w.Project.ID {
			w.t.Errorf("part %d of %d has %d persons of %s", n, r.Parts, len(part.IDs), part.Project)
		}
		for i, id := range part.IDs {
			if part.Keys[i] != person.MakeKey(w.Project.Secret, id) {
				w.t.Error("a key is not the person's")
			}
		}
		ids = append(ids, part.IDs...)
	}
	if len(ids) != r.Persons {
		w.t.Errorf("%d persons in the parts, %d in the request", len(ids), r.Persons)
	}
	slices.Sort(ids)
	return ids
}

func hash(format, value string) string {
	var sum []byte
	switch format {
	case "md5":
		s := md5.Sum([]byte(value))
		sum = s[:]
	case "sha1":
		s := sha1.Sum([]byte(value))
		sum = s[:]
	case "sha256":
		s := sha256.Sum256([]byte(value))
		sum = s[:]
	default:
		return value
	}
	return hex.EncodeToString(sum)
}

// Every type finds its person, raw and by each hash, and nobody else.
func TestResolveIdentities(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const idfa = "6D92078A-8246-4BA4-AE5B-76104861E7DC"
	w.people(map[string]any{
		"nobody": map[string]any{"name": "ann@example.com", "$email": "bob@example.com", "email": 1, "android_id": nil},
		"bare":   nil,
		"mail":   map[string]any{"$email": " Ann@Example.com "},
		"mail2":  map[string]any{"email": []any{"x@example.com", 1, "ann2@example.com"}},
		"aaid":   map[string]any{"$android_advertising_id": idfa}, "aaid2": map[string]any{"android_advertising_id": "aaid2-1"},
		"aid": map[string]any{"android_id": "Aid-1"}, "aid2": map[string]any{"$android_id": "Aid-2"},
		"fire": map[string]any{"fire_advertising_id": "fire-1"},
		"ifa":  map[string]any{"$ios_ifa": "ifa-1"}, "ifa2": map[string]any{"$ios_advertising_id": "ifa-2"}, "ifa3": map[string]any{"ios_advertising_id": "IFA-3"},
		"idfv": map[string]any{"ios_vendor_id": "V-1"}, "msa": map[string]any{"$microsoft_advertising_id": "msa-1"},
		"msp": map[string]any{"microsoft_publisher_id": "msp-1"}, "rpi": map[string]any{"roku_publisher_id": "rpi-1"}, "ria": map[string]any{"$roku_advertising_id": "ria-1"},
	})
	// One who was erased has no distinct_id, and is found no more.
	if _, err := person.Ref(w.Default, w.Project.ID, "ERASED").Set(t.Context(), person.Doc{Profile: `{"$email":"ann@example.com"}`, Attested: `{"$email":"ann@example.com"}`}); err != nil {
		t.Fatal(err)
	}
	w.run(w.resolving)
	type test struct{ kind, value, want string }
	type asked struct {
		test
		format string
		r      *request.Request
	}
	var all []asked
	for _, c := range []test{
		{"email", "ann@example.com", "mail"}, {"email", "ann2@example.com", "mail2"}, {"email", "nn@example.com", ""},
		{"controller_customer_id", "bare", "bare"}, {"android_advertising_id", strings.ToLower(idfa), "aaid"},
		{"android_advertising_id", idfa, "aaid"}, {"android_advertising_id", "aaid2-1", "aaid2"}, {"android_id", "Aid-1", "aid"},
		{"android_id", "Aid-2", "aid2"}, {"android_id", "aid-1", ""}, {"fire_advertising_id", "fire-1", "fire"},
		{"ios_advertising_id", "IFA-1", "ifa"}, {"ios_advertising_id", "ifa-2", "ifa2"}, {"ios_advertising_id", "ifa-3", "ifa3"},
		{"ios_vendor_id", "V-1", "idfv"}, {"microsoft_advertising_id", "msa-1", "msa"}, {"microsoft_publisher_id", "msp-1", "msp"},
		{"roku_publisher_id", "rpi-1", "rpi"}, {"roku_advertising_id", "ria-1", "ria"}, {"roku_advertising_id", "rpi-1", ""},
	} {
		for _, format := range request.IdentityFormats {
			r := w.create(request.New{Find: []request.Identity{{Type: c.kind, Value: hash(format, c.value), Format: format}}})
			w.publish(r)
			all = append(all, asked{c, format, r})
		}
	}
	for _, f := range []string{"md5", "sha1", "sha256"} { // the address as it is stored
		c := test{"email", " Ann@Example.com ", "mail"}
		r := w.create(request.New{Find: []request.Identity{{Type: c.kind, Value: strings.ToUpper(hash(f, c.value)), Format: f}}})
		w.publish(r)
		all = append(all, asked{c, f, r})
	}
	for _, a := range all {
		done := w.until(a.r, request.Done)
		if got := strings.Join(w.persons(done), " "); got != a.want || done.Find != "" || done.FindCursor != "" {
			t.Errorf("%s %s %s: found %q, want %q; left %q %q", a.kind, a.format, a.value, got, a.want, done.Find, done.FindCursor)
		}
	}
}

// A distinct_id as it is needs no search, also of somebody whom nobody knows.
func TestResolveDirect(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.run(w.resolving)
	r := w.create(request.New{IDs: []string{"a"}, Find: []request.Identity{
		{Type: request.CustomerID, Value: "a", Format: request.Raw}, {Type: request.CustomerID, Value: "unknown", Format: request.Raw},
	}})
	w.publish(r)
	if got := w.persons(w.until(r, request.Done)); !slices.Equal(got, []string{"a", "unknown"}) {
		t.Error(got)
	}
}

// A search goes on from slice to slice; a worker that is killed in between neither
// loses a person nor finds one twice.
func TestResolveInSlices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	profiles := map[string]any{}
	var want []string
	for i := range 1500 {
		id := fmt.Sprintf("p%04d", i)
		profiles[id] = map[string]any{"email": fmt.Sprintf("x%d@example.com", i)}
		if i%4 == 0 {
			profiles[id] = map[string]any{"$email": "Ann@example.com", "email": "ann@example.com"}
			want = append(want, id)
		}
	}
	w.people(profiles)
	var calls atomic.Int32
	w.run(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		n := calls.Add(1)
		if n%2 == 1 { // killed, now before it has stored anything and now after
			dying, cancel := context.WithCancel(ctx)
			defer cancel()
			before := s.FindCursor
			for s.FindCursor == before && s.Find != "" {
				if n%4 == 1 {
					cancel()
				}
				if _, err := s.Resolve(dying, w.Project); err != nil {
					return request.Outcome{}, err
				}
			}
			return request.Outcome{}, errors.New("killed")
		}
		done, err := s.Resolve(ctx, w.Project)
		if done && s.Persons != len(want) {
			t.Errorf("the work would see %d persons", s.Persons)
		}
		return request.Outcome{Done: done}, err
	})
	r := w.create(request.New{IDs: []string{want[3], "other"}, Find: []request.Identity{{Type: "email", Value: "ANN@example.com", Format: request.Raw}}})
	want = append([]string{"other"}, want...)
	w.publish(r)
	done := w.until(r, request.Done)
	if got := w.persons(done); !slices.Equal(got, want) {
		t.Errorf("found %d persons, want %d", len(got), len(want))
	}
	if calls.Load() < 4 {
		t.Errorf("%d slices", calls.Load())
	}
}

// Too many persons fail the request, also if its worker is killed before it can say
// so, and what they were known by is forgotten.
func TestResolveTooMany(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	ids := make([]string, request.MaxPersons)
	for i := range ids {
		ids[i] = strings.Repeat("☕", event.MaxString-4) + fmt.Sprintf("%04d", i)
	}
	w.people(map[string]any{"one": map[string]any{"email": "a@example.com"}})
	var calls atomic.Int32
	w.run(func(ctx context.Context, s *request.Slice) (request.Outcome, error) {
		done, err := s.Resolve(ctx, w.Project)
		if fault.Of(err) == fault.TooLarge && calls.Add(1) == 1 {
			return request.Outcome{}, errors.New("killed")
		}
		return request.Outcome{Done: done}, err
	})
	r := w.create(request.New{IDs: ids, Find: []request.Identity{{Type: "email", Value: "a@example.com", Format: request.Raw}}})
	w.publish(r)
	got := w.until(r, request.Failed)
	if got.Failure != "the identities match more than 2000 persons, the most that one request takes" || got.Find != "" || calls.Load() != 2 {
		t.Errorf("%q %q after %d", got.Failure, got.Find, calls.Load())
	}
}
