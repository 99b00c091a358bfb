package person_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/person"
)

// plant makes a tree of identities under "root", some by provisional links.
func (r *registry) plant(rnd *rand.Rand, n int) {
	r.t.Helper()
	parents := []string{"root"}
	docs := map[string]person.Doc{"root": {DistinctID: "root"}}
	for i := range n {
		id := fmt.Sprint("id", i)
		to := parents[rnd.IntN(len(parents))]
		if len(parents) < 6 {
			parents = append(parents, id)
		}
		docs[id] = person.Doc{DistinctID: id, Link: &person.Link{To: r.key(to), By: "key", Received: noon, Provisional: rnd.IntN(4) == 0}}
		above := docs[to]
		above.Joined = true
		docs[to] = above
	}
	// A provisional link may lead back.
	root := docs["root"]
	root.Link = &person.Link{To: r.key("id0"), By: "token", Received: noon, Provisional: true}
	docs["root"] = root
	for id, doc := range docs {
		if _, err := person.Ref(r.Default, "app", r.key(id)).Set(r.t.Context(), doc); err != nil {
			r.t.Fatal(err)
		}
	}
}

// walk gives the distinct_ids on a way, and the places where they stand.
func (r *registry) walk(w person.Walk) (ids []string, places []person.Place) {
	r.t.Helper()
	for step, err := range w.Steps(r.t.Context(), r.Default, "app") {
		if err != nil {
			r.t.Fatal(err)
		}
		ids, places = append(ids, step.Doc.DistinctID), append(places, step.At)
	}
	return ids, places
}

// A walk sees each identity once, from any place on, whatever its pages.
func TestWalk(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(seed, 0))
	const n = 25
	r.plant(rnd, n)
	s, err := person.Find(person.Reader(t.Context(), r.Default), r.Default, "app", r.key("root"))
	if err != nil {
		t.Fatal(err)
	}
	all := func(*person.Member) bool { return true }
	whole, places := r.walk(person.Walk{Of: s.Own, Follow: all})
	if sorted := slices.Sorted(slices.Values(whole)); len(whole) != n+1 || len(slices.Compact(sorted)) != n+1 || whole[0] != "root" {
		t.Fatalf("seed %d: got %v, want root and %d more", seed, whole, n)
	}
	for i, place := range places {
		if !place.Valid() {
			t.Errorf("seed %d: got %s, want a valid place", seed, place)
		}
		if got, _ := r.walk(person.Walk{Of: s.Own, Follow: all, After: place, Page: 1 + rnd.IntN(4)}); !slices.Equal(got, whole[i+1:]) {
			t.Errorf("seed %d: behind %d: got %v, want %v", seed, i, got, whole[i+1:])
		}
	}
	var members []string
	for m, err := range person.Members(t.Context(), r.Default, "app", s.Own, false) {
		if err != nil {
			t.Fatal(err)
		}
		members = append(members, m.Doc.DistinctID)
	}
	firm, _ := r.walk(person.Walk{Of: s.Own, Follow: person.FollowFirm, Page: 3})
	count, err := person.Count(t.Context(), r.Default, "app", s.Own)
	if slices.Sort(members); !slices.Equal(slices.Sorted(slices.Values(firm)), members) || count != len(members) || err != nil {
		t.Errorf("seed %d: got %v, %d, %v, want %v", seed, firm, count, err, members)
	}
}

// Of the documents only what a walk needs is read, and what is asked for.
func TestWalkFields(t *testing.T) {
	t.Parallel()
	r := newRegistry(t)
	ref := func(id string) *firestore.DocumentRef { return person.Ref(r.Default, "app", r.key(id)) }
	doc := person.Doc{DistinctID: "web", Spoke: true, Stale: "x", Link: &person.Link{To: r.key("ann")}}
	if _, err := ref("web").Set(t.Context(), doc); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		fields []string
		stale  string
	}{{nil, ""}, {[]string{"stale"}, "x"}} {
		w := person.Walk{Of: person.Member{Key: r.key("ann"), Doc: person.Doc{Joined: true}}, Follow: person.FollowFirm, Fields: c.fields}
		for step, err := range w.Steps(t.Context(), r.Default, "app") {
			if err != nil {
				t.Fatal(err)
			}
			if d := step.Doc; step.Key == r.key("web") && (d.DistinctID != "web" || !d.Spoke || d.Stale != c.stale) {
				t.Errorf("fields %v: got %+v, want stale %q", c.fields, d, c.stale)
			}
		}
	}
}

func TestPlaces(t *testing.T) {
	t.Parallel()
	key := "/" + strings.Repeat("0", 32)
	for place, want := range map[string]bool{
		"": true, "/": true, key: true, strings.Repeat(key, 32): true, strings.Repeat(key, 33): false,
		"//": false, "x": false, key + "/": false, key[1:]: false, key + "0": false, "/" + strings.Repeat("z", 32): false,
	} {
		if got := person.Place(place).Valid(); got != want {
			t.Errorf("%q: got %v, want %v", place, got, want)
		}
	}
}
