package erase_test

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/report"
	"github.com/lethe-analytics/lethe/shared/chunk"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/objects"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
	"github.com/lethe-analytics/lethe/shared/request"
)

func (v *verdict) check() {
	total, said := 0, map[string]string{}
	for _, m := range v.messages {
		for _, o := range m.ops {
			if o.Name == person.ConsentOp {
				said[source(o)] = o.DistinctID
			}
		}
	}
	for _, id := range v.ids {
		v.links(id)
		total += v.events(id)
		v.profile(id)
		v.consents(id, said)
		v.requests(id)
	}
	v.letters()
	now := time.Now().UTC()
	path := "/v1/reports/segmentation?event=Seen&from=" + now.AddDate(0, 0, -2).Format(time.DateOnly) + "&to=" + now.Format(time.DateOnly)
	var answer report.Segmentation
	local.Answered(v.t, local.Call(v.t.Context(), report.New(report.Config{Timeout: time.Minute}, v.Guard(v.t), v.Default), http.MethodGet, path, v.Key, ""), &answer)
	counted := 0
	for _, s := range answer.Series {
		counted += int(s.Total)
	}
	if counted != total {
		v.t.Errorf("the report counts %d events, want %d", counted, total)
	}
}

// events checks a person's events, and counts those that reports count.
func (v *verdict) events(id string) (seen int) {
	var want, got []string
	known := map[string]bool{} // a replayed message has them again
	for _, m := range v.messages {
		for _, e := range m.events {
			if e.DistinctID == id && v.after(id, e.Received) && !known[e.InsertID] {
				known[e.InsertID] = true
				want = append(want, e.InsertID)
				if e.Name == "Seen" {
					seen++
				}
			}
		}
	}
	for d, err := range chunk.PersonDays(v.t.Context(), v.Default, v.Project.ID, v.personKey(id), "2000-01-01", "2100-01-01") {
		if err == nil {
			for _, doc := range d.Docs {
				if fence := v.docs[id].ErasedAt; !doc.Oldest.After(fence) || !doc.Received.After(fence) {
					v.t.Errorf("%s: a chunk from before the erasure: %v %v, fence %v", id, doc.Oldest, doc.Received, fence)
				}
			}
			err = d.Events(func(e *event.Event) error { got = append(got, e.InsertID); return nil })
		}
		if err != nil {
			v.t.Fatal(err)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		v.t.Errorf("%s: %v are stored, want %v", id, got, want)
	}
	if d := v.docs[id]; len(want) > 0 && d.DistinctID != id {
		v.t.Errorf("%s: %+v", id, d)
	}
	return seen
}

// profile checks operations and what is folded from those of all identities of a person.
func (v *verdict) profile(id string) {
	var ops []event.Op
	for _, m := range v.messages {
		for _, o := range m.ops {
			if v.personOf(o.DistinctID) == id && o.Name != person.ConsentOp && v.after(o.DistinctID, o.Received) {
				ops = append(ops, o)
			}
		}
	}
	want := ""
	if len(ops) > 0 {
		profile.Sort(ops)
		p, err := profile.Apply(profile.Profile{}, ops)
		if err != nil {
			v.t.Fatal(err)
		}
		want = p.JSON()
	}
	if got := strings.TrimPrefix(v.docs[id].Profile, "{}"); got != want { // of one whose devices have left
		v.t.Errorf("%s: profile %s, want %s", id, got, want)
	}
	docs, err := v.personRef(id).Collection(profile.Collection).Documents(v.t.Context()).GetAll()
	if err != nil {
		v.t.Fatal(err)
	}
	for _, d := range docs {
		var doc profile.Doc
		err := d.DataTo(&doc)
		if err == nil {
			err = event.Unpack(doc.Data, nil, func(o *event.Op) error {
				if !v.after(id, o.Received) {
					return errors.New("an operation from before the erasure")
				}
				return nil
			})
		}
		if err != nil {
			v.t.Errorf("%s: %v", id, err)
		}
	}
}

// source is that of a consent operation.
func source(o event.Op) string { return fmt.Sprint("c", o.Request[1:]) }

// consents checks the consent history, and whose word it is that stands.
func (v *verdict) consents(id string, said map[string]string) {
	var want, got []string
	for _, m := range v.messages {
		for _, o := range m.ops {
			if o.DistinctID == id && o.Name == person.ConsentOp && v.after(id, o.Received) {
				want = append(want, source(o))
			}
		}
	}
	history, _, err := person.Consents(v.t.Context(), v.Default, v.Project.ID, v.personKey(id), "", 1000)
	if err != nil {
		v.t.Fatal(err)
	}
	for _, c := range history {
		got = append(got, c.Source)
	}
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		v.t.Errorf("%s: consents %v, want %v", id, got, want)
	}
	d := v.docs[v.personOf(id)]
	if c := d.Consent; c.State == consent.Granted && !c.At.After(v.docs[said[c.Source]].ErasedAt) {
		v.t.Errorf("%s: a consent from before the erasure: %+v", id, c)
	}
	if own := v.docs[id].Consent; own.State != "" && v.personOf(id) != id {
		v.t.Errorf("%s: is somebody's, and has a consent of its own: %+v", id, own)
	}
	snap, err := v.Edge.GetAll(v.t.Context(), []*firestore.DocumentRef{person.OptOutRef(v.Edge, v.Project.ID, v.personKey(id))})
	if err != nil {
		v.t.Fatal(err)
	}
	if o, err := person.ReadOptOut(snap[0]); err != nil || snap[0].Exists() != (d.Consent.State != "") || snap[0].Exists() && o.State != d.Consent.State {
		v.t.Errorf("%s: the edge has %v %+v, %v, and the document %+v", id, snap[0].Exists(), o, err, d.Consent)
	}
}

// requests checks the requests that name a person, and their archives.
func (v *verdict) requests(id string) {
	found, err := request.Of(v.t.Context(), v.Default, v.Project.ID, v.personKey(id))
	if err != nil {
		v.t.Fatal(err)
	}
	for _, f := range found {
		if f.Part.ID != "0000" { // appended by a deletion: nobody is named there
			continue
		}
		snap, err := f.Part.Get(v.t.Context())
		if err != nil {
			v.t.Fatal(err)
		}
		var part request.Part
		if err := snap.DataTo(&part); err != nil {
			v.t.Fatal(err)
		}
		erased := !v.outlives(id, f.Created)
		if erased == slices.Contains(part.IDs, id) {
			v.t.Errorf("%s: erased %v, and a request names %v", id, erased, part.IDs)
		}
		named, isExport := v.exports[f.Request]
		if !isExport {
			continue
		}
		names, err := objects.Archive(v.t.Context(), v.bucket, v.Project.ID, f.Request)
		if err != nil {
			v.t.Fatal(err)
		}
		goes := slices.ContainsFunc(named, func(id string) bool { return !v.outlives(id, f.Created) })
		mayGo := slices.ContainsFunc(named, func(id string) bool { return !f.Created.After(v.settled[v.personKey(id)]) })
		if kept := len(names) == 1; kept && goes || !kept && !goes && !mayGo {
			v.t.Errorf("%s: an archive of %v: %v", id, named, names)
		}
	}
}
