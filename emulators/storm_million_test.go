package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// The person of TestMillion: so many days, chunks a day and events a chunk (each slice
// begins with a query, for which the emulator reads all of the chunks); and the other
// persons of the project.
const (
	millionDays, millionChunks, millionEvents = 400, 20, 125
	million                                   = millionDays * millionChunks * millionEvents
	millionOthers                             = 9999
	othersWith                                = 100 // one in so many of them has events: the emulator's queries pay for all there are
	othersDay                                 = "2024-06-01"
)

// TestMillion exports and erases a person of a million events in slices of a
// second, while the workers are killed between and inside slices, and compares
// all other persons' documents before and after.
func TestMillion(t *testing.T) {
	t.Parallel()
	s := &erasing{storm: &storm{live: startLive(t, "LETHE_EXPORT_SLICE=1s", "LETHE_DELETE_SLICE=1s")}}
	db := s.clients(t).dbs[topology.DefaultDatabase]
	p, err := project.Get(t.Context(), db, demoProject)
	if err != nil {
		t.Fatal(err)
	}
	fillMillion(t, db, p)
	before := s.others(t, db, p)

	export := s.ask(t, "/v1/exports", `{"distinct_ids":["million"]}`)
	s.killInSlices(t, db, export, "export-worker")
	var done struct{ Status, URL string }
	local.Eventually(t, 10*time.Minute, func() error {
		code, body, err := s.call(t.Context(), "GET", s.env["LETHE_URL"]+"/v1/exports/"+export, "")
		if err != nil || code != 200 || json.Unmarshal([]byte(body), &done) != nil || done.Status != "done" {
			return fmt.Errorf("export: %d %s %v", code, body, err)
		}
		return nil
	})
	if n := countArchive(t, done.URL); n != million {
		t.Errorf("the archive holds %d events, want %d", n, million)
	}

	deletion := s.ask(t, "/v1/deletions", `{"distinct_ids":["million"]}`)
	s.killInSlices(t, db, deletion, "delete-worker")
	local.Eventually(t, 10*time.Minute, func() error {
		code, body, err := s.call(t.Context(), "GET", s.env["LETHE_URL"]+"/v1/deletions/"+deletion+"/receipt", "")
		if err != nil || code != 200 {
			return fmt.Errorf("receipt: %d %s %v", code, body, err)
		}
		return nil
	})
	s.peak(t, "export-worker")
	s.peak(t, "delete-worker")
	left, err := person.Ref(db, p.ID, person.MakeKey(p.Secret, "million")).Collection(chunk.Collection).Select().Limit(1).Documents(t.Context()).GetAll()
	if err != nil || len(left) > 0 {
		t.Errorf("%d chunks left, %v", len(left), err)
	}
	if names := s.objects(t); len(names) > 0 {
		t.Errorf("left of the archive: %v", names)
	}
	after := s.others(t, db, p)
	if len(after) != len(before) || len(before) != millionOthers+(millionOthers+othersWith-1)/othersWith {
		t.Errorf("%d documents of others, before %d", len(after), len(before))
	}
	for path, doc := range before {
		if !bytes.Equal(after[path], doc) {
			t.Errorf("another person's document %s has changed", path)
		}
	}
	s.finish(t)
}

// killInSlices kills a request's worker at once, and once more within a slice: the one
// that was killed leaves its lease behind, whose minute is not waited for. Their memory
// counts as that of the last.
func (s *erasing) killInSlices(t *testing.T, db *firestore.Client, id, worker string) {
	t.Helper()
	s.control(t, "/functions/"+worker+"/kill")
	lift := func() error {
		_, err := request.Ref(db, demoProject, id).Update(t.Context(), []firestore.Update{{Path: "lease", Value: time.Time{}}})
		return err
	}
	local.Eventually(t, 2*time.Minute, lift)
	local.Eventually(t, 5*time.Minute, func() error {
		before, err := request.Get(t.Context(), db, demoProject, id, "")
		if err != nil {
			return err
		}
		if before.Status.Final() {
			t.Fatalf("%s: the request is %s before its worker was killed in a slice", worker, before.Status)
		}
		if before.Step == 0 || !before.Lease.After(time.Now()) {
			return fmt.Errorf("%s: not at work at step %d", worker, before.Step)
		}
		s.peak(t, worker)
		s.control(t, "/functions/"+worker+"/kill")
		after, err := request.Get(t.Context(), db, demoProject, id, "")
		if err != nil {
			return err
		}
		if after.Step != before.Step || !after.Lease.Equal(before.Lease) {
			return fmt.Errorf("%s: step %d had ended", worker, before.Step)
		}
		return nil
	})
	local.Eventually(t, 2*time.Minute, lift)
}

// fillMillion writes the person, and all others.
func fillMillion(t *testing.T, db *firestore.Client, p project.Project) {
	t.Helper()
	if err := local.Fill(t.Context(), db, p, "million", millionDays, millionChunks, millionEvents); err != nil {
		t.Fatal(err)
	}
	day, err := time.Parse(time.DateOnly, othersDay)
	if err != nil {
		t.Fatal(err)
	}
	for from := 0; from < millionOthers; from += 200 {
		err := db.RunTransaction(t.Context(), func(_ context.Context, tx *firestore.Transaction) error {
			for i := from; i < min(from+200, millionOthers); i++ {
				id := fmt.Sprint("other/", i)
				key := person.MakeKey(p.Secret, id)
				err := tx.Set(person.Ref(db, p.ID, key), person.Doc{DistinctID: id, FirstSeen: day, Profile: `{"a":1}`})
				if i%othersWith == 0 {
					e := event.Event{Name: "Seen", DistinctID: id, InsertID: "1", Time: event.Millis(day.UnixMilli()), Received: 1, Properties: `{"a":1}`}
					own := chunk.Build(p.ID, []event.Event{e})[0]
					err = errors.Join(err, tx.Set(chunk.Ref(db, p.ID, key, own.ID), own.Doc))
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}

// peak demands that a function has stayed under 256 MiB.
func (s *erasing) peak(t *testing.T, function string) {
	t.Helper()
	resp, err := http.Get(s.env["LETHE_CONTROL"] + "/functions/" + function + "/peak")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.Atoi(string(text))
	if err != nil || kib > 256<<10 {
		t.Errorf("%s took %d KiB of memory, %v", function, kib, err)
	}
	t.Logf("%s took %d MiB", function, kib>>10)
}

// others reads all documents of the other persons.
func (s *erasing) others(t *testing.T, db *firestore.Client, p project.Project) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, q := range []firestore.Query{
		db.Collection("projects/" + p.ID + "/people").Query,
		db.CollectionGroup(chunk.Collection).Where("project", "==", p.ID).Where("day", "==", othersDay),
	} {
		docs, err := q.Documents(t.Context()).GetAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			if d.Ref.ID == string(person.MakeKey(p.Secret, "million")) {
				continue
			}
			doc, err := json.Marshal([]any{d.Data(), d.UpdateTime})
			if err != nil {
				t.Fatal(err)
			}
			all[d.Ref.Path] = doc
		}
	}
	return all
}

// countArchive downloads an archive and counts its events. (Under the race detector,
// archive/zip takes seconds to unpack them.)
func countArchive(t *testing.T, url string) (events int) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	file := filepath.Join(t.TempDir(), "archive.zip")
	archive, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()
	if _, err := io.Copy(archive, resp.Body); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, resp.StatusCode, err)
	}
	out, err := exec.CommandContext(t.Context(), "bash", "-o", "pipefail", "-c", `unzip -p "$0" '*events*' | wc -l`, file).Output()
	if err != nil {
		t.Fatalf("unzip: %v", err)
	}
	if events, err = strconv.Atoi(strings.TrimSpace(string(out))); err != nil {
		t.Fatal(err)
	}
	return events
}
