package main

import (
	"archive/zip"
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/request"
	"github.com/lethe-analytics/lethe/shared/topology"
)

// The person of TestMillion: so many days, chunks a day and events a chunk.
const (
	millionDays, millionChunks, millionEvents = 400, 50, 50
	million                                   = millionDays * millionChunks * millionEvents
)

// TestMillion exports and erases a person of a million events in slices of some
// seconds, while the workers are killed between and inside slices, and compares
// all other persons' documents before and after.
func TestMillion(t *testing.T) {
	t.Parallel()
	s := &erasing{storm: &storm{live: startLiveWith(t, []string{"LETHE_EXPORT_SLICE=5s", "LETHE_DELETE_SLICE=2s"})}}
	db := s.clients(t).dbs[topology.DefaultDatabase]
	p, err := project.Get(t.Context(), db, demoProject)
	if err != nil {
		t.Fatal(err)
	}
	fillMillion(t, db, p)
	before := s.others(t, db, p)

	export := s.ask(t, "/v1/exports", `{"distinct_ids":["million"]}`)
	s.killInSlices(t, db, export, "/functions/export-worker/kill")
	var done struct{ Status, URL string }
	eventually(t, 10*time.Minute, func() error {
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
	s.killInSlices(t, db, deletion, "/functions/delete-worker/kill")
	eventually(t, 10*time.Minute, func() error {
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
	if len(after) != len(before) || len(before) < 9 {
		t.Errorf("%d documents of others, before %d", len(after), len(before))
	}
	for path, doc := range before {
		if !bytes.Equal(after[path], doc) {
			t.Errorf("another person's document %s has changed", path)
		}
	}
	s.finish(t)
}

// killInSlices waits for slices to begin and kills their worker: at once, and later. A
// worker that is killed keeps the others out for a minute, which the test does not wait for.
func (s *erasing) killInSlices(t *testing.T, db *firestore.Client, id, kill string) {
	t.Helper()
	for step := range 2 {
		eventually(t, 3*time.Minute, func() error {
			snap, err := request.Ref(db, demoProject, id).Get(t.Context())
			if err != nil {
				return err
			}
			if n, _ := snap.Data()["step"].(int64); n < int64(step) {
				return fmt.Errorf("step %d", n)
			}
			return nil
		})
		s.control(t, kill)
		if _, err := request.Ref(db, demoProject, id).Update(t.Context(), []firestore.Update{{Path: "lease", Value: time.Time{}}}); err != nil {
			t.Fatal(err)
		}
	}
}

// fillMillion writes the person, and ten others.
func fillMillion(t *testing.T, db *firestore.Client, p project.Project) {
	t.Helper()
	err := local.Fill(t.Context(), db, p, "million", millionDays, millionChunks, millionEvents)
	for i := range 10 {
		err = errors.Join(err, local.Fill(t.Context(), db, p, fmt.Sprint("other/", i), 1, 2, millionEvents))
	}
	if err != nil {
		t.Fatal(err)
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
	note := func(snap *firestore.DocumentSnapshot) {
		doc, err := json.Marshal(snap.Data())
		if err != nil {
			t.Fatal(err)
		}
		all[snap.Ref.Path] = doc
	}
	for i := range 10 {
		ref := person.Ref(db, p.ID, person.MakeKey(p.Secret, fmt.Sprint("other/", i)))
		snap, err := ref.Get(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		note(snap)
		docs, err := ref.Collection(chunk.Collection).Documents(t.Context()).GetAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range docs {
			note(d)
		}
	}
	return all
}

// countArchive downloads an archive and counts its events.
func countArchive(t *testing.T, url string) (events int) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	size, err := io.Copy(file, resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %v", url, resp.StatusCode, err)
	}
	archive, err := zip.NewReader(file, size)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range archive.File {
		if !strings.Contains(f.Name, "events") {
			continue
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		for lines := bufio.NewScanner(r); lines.Scan(); {
			events++
		}
		r.Close()
	}
	return events
}
