package person

import (
	"slices"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/consent"
)

func at(minute int) time.Time { return time.Date(2026, 1, 1, 12, minute, 0, 0, time.UTC) }

func said(state consent.State, under Key, minute int) Consent {
	return Consent{ID: string(state) + string(under), State: state, Under: under, At: at(minute), By: "token"}
}

// states are what a document's changes leave of the timeline.
func states(changes map[string]any) (all []consent.State) {
	list, _ := changes["said"].([]Consent)
	for _, c := range list {
		all = append(all, c.State)
	}
	return all
}

// An erasure cuts the link that was there by then. One that came later stays, and then
// consent is the person's alone.
func TestEraseLink(t *testing.T) {
	t.Parallel()
	of := &Doc{Said: []Consent{said(consent.Denied, "u", 1)}}
	for _, c := range []struct {
		name       string
		link       *Link
		gone, says bool
	}{
		{"none", nil, true, true},
		{"before", &Link{To: "u", Received: at(10)}, true, true},
		{"at the fence", &Link{To: "u", Received: at(20)}, true, true},
		{"a key has said that it is nobody's", &Link{By: "key", Received: at(10)}, false, true},
		{"after", &Link{To: "u", Received: at(21)}, false, false},
		{"after, provisional", &Link{To: "u", Received: at(21), Provisional: true}, false, true},
	} {
		changes := (&Doc{Link: c.link}).Erase(at(20), false, of)
		if _, gone := changes["link"]; gone != c.gone {
			t.Errorf("%s: the link goes: got %v, want %v", c.name, gone, c.gone)
		}
		if says := changes["said"] != firestore.Delete; says != c.says {
			t.Errorf("%s: a denial remains: got %v, want %v", c.name, says, c.says)
		}
	}
}

// An identity that leaves its person takes what it has said since; the person loses its
// grants and keeps what restricts, and so does the identity.
func TestLeave(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name         string
		said         []Consent
		own, persons []consent.State
		now          consent.State // the person's
		changes      bool
	}{
		{"nothing", nil, nil, nil, "", false},
		{"others' grant", []Consent{said(consent.Granted, "u", 1)}, nil, nil, consent.Granted, false},
		{"others' denial", []Consent{said(consent.Denied, "u", 1)}, []consent.State{consent.Denied}, nil, consent.Denied, false},
		{"own grant", []Consent{said(consent.Granted, "x", 1)}, nil, nil, "", true},
		{"own grant over another", []Consent{said(consent.Granted, "u", 1), said(consent.Granted, "x", 2)}, nil, []consent.State{consent.Granted}, consent.Granted, true},
		{"own denial", []Consent{said(consent.Denied, "x", 1)}, []consent.State{consent.Denied}, nil, consent.Denied, false},
		{"own grant since", []Consent{said(consent.Granted, "x", 30)}, []consent.State{consent.Granted}, nil, "", true},
		{"others' word since", []Consent{said(consent.Denied, "u", 30)}, nil, nil, consent.Denied, false},
	} {
		of := &Member{Key: "u", Doc: Doc{Said: c.said, Consent: inForce(c.said)}}
		x := &Member{Key: "x", Doc: Doc{Link: &Link{To: "u", Received: at(0)}}}
		own, persons := x.Leave(of, at(20), false)
		if got := states(own); !slices.Equal(got, c.own) {
			t.Errorf("%s: the identity keeps %v, want %v", c.name, got, c.own)
		}
		if (persons != nil) != c.changes || persons != nil && !slices.Equal(states(persons), c.persons) || of.Doc.Consent.State != c.now {
			t.Errorf("%s: the person keeps %v, %q; want %v, %q", c.name, persons, of.Doc.Consent.State, c.persons, c.now)
		}
	}
	of := &Member{Key: "u"}
	own, _ := (&Member{Key: "x"}).Leave(of, at(20), false, said(consent.Denied, "v", 3))
	if got := states(own); !slices.Equal(got, []consent.State{consent.Denied}) || of.Doc.Said != nil {
		t.Errorf("with a denial that others have said: got %v, and the person's %v", got, of.Doc.Said)
	}
}
