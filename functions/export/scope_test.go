package export_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/functions/export"
	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/request"
)

// newHousehold is a user with a device, and one that only may be the user's.
func newHousehold(t *testing.T) *world {
	w := newWorld(t, time.Minute, time.Minute)
	w.Deliver(t, w.store, []event.Event{
		ev("ann", "Seen", 1, "2025-01-01 00:00:00", `{"of":"USER"}`),
		ev("$device:d1", "Seen", 2, "2025-01-01 00:00:00", `{"of":"DEVICE"}`),
		ev("maybe", "Seen", 3, "2025-01-01 00:00:00", `{"of":"MAYBE"}`),
	}, event.Op{DistinctID: "ann", Name: "$set", Value: `{"email":"PROFILE"}`, Received: event.Now() - 60_000, Request: "r"})
	w.link("$device:d1", "ann", person.Link{By: "token", Event: "$identify"})
	w.connect("maybe", "ann", identity.LinkEither, person.Link{By: "token", Event: "$identify"})
	at := time.Now().Add(-time.Minute)
	w.say("ann", person.Consent{State: consent.Granted, Source: "USER-SAID", At: at})
	w.say("$device:d1", person.Consent{State: consent.Granted, Source: "DEVICE-SAID", At: at.Add(time.Second), By: "token"})
	return w
}

// A request that names a user covers the person; one that names a device alone covers
// the device, unless it asks for the person. What is provisional is nobody's.
func TestScope(t *testing.T) {
	t.Parallel()
	w := newHousehold(t)
	for name, c := range map[string]struct {
		body   string
		folder string
		want   string // of what there is
	}{
		"user":                        {`{"distinct_ids":["ann"]}`, "person-0001/", "USER DEVICE PROFILE USER-SAID DEVICE-SAID"},
		"device":                      {`{"distinct_ids":["$device:d1"]}`, "identity-0001/", "DEVICE DEVICE-SAID"},
		"device, for the person":      {`{"distinct_ids":["$device:d1"],"scope":"person"}`, "person-0001/", "USER DEVICE PROFILE USER-SAID DEVICE-SAID"},
		"provisional":                 {`{"distinct_ids":["maybe"]}`, "person-0001/", "MAYBE"},
		"provisional, for the person": {`{"distinct_ids":["maybe"],"scope":"person"}`, "person-0001/", "MAYBE"},
	} {
		files := w.export(c.body)
		all := fmt.Sprint(files)
		for _, mark := range []string{`"USER"`, `"DEVICE"`, `"MAYBE"`, `"PROFILE"`, `"USER-SAID"`, `"DEVICE-SAID"`} {
			want := strings.Contains(" "+c.want+" ", " "+strings.Trim(mark, `"`)+" ")
			if got := strings.Contains(all, mark); got != want {
				t.Errorf("%s: the archive holds %s: got %v, want %v", name, mark, got, want)
			}
		}
		if files[c.folder+"profile.json"] == "" {
			t.Errorf("%s: got no folder %s, want one", name, c.folder)
		}
		lone := strings.HasPrefix(c.folder, "identity")
		if got := strings.Contains(files["index.html"], "about one id of a device alone"); got != lone {
			t.Errorf("%s: the index says that the person is not in it: got %v, want %v", name, got, lone)
		}
	}
}

// Who asks by an id of a user whom a key has merged into another gets the person's
// archive, which an erasure of the other finds.
func TestMergedUser(t *testing.T) {
	t.Parallel()
	w := newHousehold(t)
	w.connect("ann-old", "ann", identity.LinkUsers, person.Link{By: "key", Actor: "hash"})
	asked := w.ask(`{"distinct_ids":["ann-old"]}`)
	for !w.slice(asked.ID).Status.Final() {
	}
	files := w.archive(w.until(asked.ID, request.Done))
	p := read[export.Profile](t, files, "person-0001/profile.json")
	if p.DistinctID != "ann-old" || p.DistinctIDs[0] != "ann" || p.Profile["email"] != "PROFILE" || len(p.DistinctIDs) != 3 {
		t.Errorf("got %+v, want the person's profile and 3 ids, the person's own first", p)
	}
	for _, id := range []string{"ann", "ann-old", "$device:d1"} {
		found, err := request.Of(t.Context(), w.Default, w.Project.ID, w.personKey(id))
		if err != nil || len(found) == 0 || found[0].Request != asked.ID {
			t.Errorf("%s: got %v, %v; want the archive that holds it", id, found, err)
		}
	}
}

// What was said under all identities is in one order.
func TestConsentsOfAllIdentities(t *testing.T) {
	t.Parallel()
	w := newHousehold(t)
	at := time.Now().Add(-2 * time.Minute)
	w.say("$device:d1", person.Consent{State: consent.Denied, Source: "EARLY", At: at, By: "key"})
	var got []string
	for _, c := range read[[]export.Consent](t, w.export(`{"distinct_ids":["ann"]}`), "person-0001/consents.json") {
		got = append(got, c.Source+" "+c.DistinctID+" "+c.By)
	}
	if want := "[EARLY $device:d1 key, USER-SAID ann , DEVICE-SAID $device:d1 token]"; "["+strings.Join(got, ", ")+"]" != want {
		t.Errorf("got %v, want %s", got, want)
	}
}

// The archive of a device alone tells nothing of the person.
func TestDeviceAlone(t *testing.T) {
	t.Parallel()
	w := newHousehold(t)
	files := w.export(`{"distinct_ids":["$device:d1"]}`)
	p := read[export.Profile](t, files, "identity-0001/profile.json")
	if p.Covers != "identity" || p.DistinctID != "$device:d1" || fmt.Sprint(p.DistinctIDs) != "[$device:d1]" || p.Profile != nil || p.Consent != nil {
		t.Errorf("got %+v, want the device alone", p)
	}
	all := identities(t, files, "identity-0001/identities.json")
	if d := all["$device:d1"]; len(all) != 1 || d.Link == nil || d.Link.To != "" || d.Link.Event != "$identify" {
		t.Errorf("got %+v, want the device, and that it was linked", all)
	}
	if strings.Contains(fmt.Sprint(files), "ann") {
		t.Errorf("got the user's id in %v, want it nowhere", files)
	}
}

// identities.json tells of each identity who has linked it, and names a provisional one
// by its key.
func TestIdentities(t *testing.T) {
	t.Parallel()
	w := newHousehold(t)
	w.connect("ann-old", "ann", identity.LinkUsers, person.Link{By: "key", Actor: "hash"})
	w.link("$device:d2", "ann-old", person.Link{By: "proof", Event: "$identify"})
	w.link("$device:gone", "ann", person.Link{By: "token", Event: "$identify"})
	linked, err := person.Disconnect(t.Context(), w.Databases, w.Project.ID, w.personKey("ann"), w.personKey("$device:gone"), "hash", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.settle(linked)
	files := w.export(`{"distinct_ids":["ann"]}`)
	all := identities(t, files, "person-0001/identities.json")
	for id, want := range map[string]string{
		"ann":                        "<nil>",
		"$device:d1":                 "{ann false token $identify " + received.String() + "}",
		"ann-old":                    "{ann false key  " + received.String() + "}",
		"$device:d2":                 "{ann-old false proof $identify " + received.String() + "}",
		string(w.personKey("maybe")): "{ann true token $identify " + received.String() + "}",
	} {
		i, ok := all[id]
		got := fmt.Sprint(i.Link)
		if i.Link != nil {
			got = fmt.Sprint(*i.Link)
		}
		if !ok || got != want {
			t.Errorf("%s: got %v, want %v", id, got, want)
		}
		if i.FirstSeen.IsZero() != (i.DistinctID == "") || i.Identity == "" {
			t.Errorf("%s: got %+v, want its key, and when it was first seen if it is the person's", id, i)
		}
	}
	if len(all) != 5 || strings.Contains(fmt.Sprint(files), "maybe") {
		t.Errorf("got %d identities, want 5, and nothing of one that is provisional: %v", len(all), files)
	}
	if p := read[export.Profile](t, files, "person-0001/profile.json"); p.Identities != 4 || len(p.DistinctIDs) != 4 || p.DistinctIDs[0] != "ann" {
		t.Errorf("got %+v, want 4 identities, the person's own first", p)
	}
}

// An event shows the ids of its own person, and keys for all others.
func TestReferences(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Minute, time.Minute)
	w.Deliver(t, w.store, []event.Event{
		ev("ann", "Seen", 1, "2025-01-01 00:00:00", `{"$device_id":"d1"}`),
		ev("ann", "$identify", 2, "2025-01-01 00:00:00", `{"$anon_distinct_id":"$device:d1","$user_id":"bob"}`),
		ev("$device:d1", "Seen", 3, "2025-01-01 00:00:00", `{"$user_id":"ann"}`),
		ev("bob", "Seen", 4, "2025-01-01 00:00:00", `{"$device_id":"d1"}`),
	})
	w.link("$device:d1", "ann", person.Link{By: "token", Event: "$identify"})
	key := func(id string) string { return "identity:" + string(w.personKey(id)) }
	for name, c := range map[string]struct {
		body, folder string
		want         map[string]string // by $insert_id
	}{
		"the person": {`{"distinct_ids":["ann"]}`, "person-0001/", map[string]string{
			"i1": `{"$device_id":"d1"}`, "i2": `{"$anon_distinct_id":"$device:d1","$user_id":"` + key("bob") + `"}`, "i3": `{"$user_id":"ann"}`}},
		"the device":    {`{"distinct_ids":["$device:d1"]}`, "identity-0001/", map[string]string{"i3": `{"$user_id":"` + key("ann") + `"}`}},
		"somebody else": {`{"distinct_ids":["bob"]}`, "person-0001/", map[string]string{"i4": `{"$device_id":"` + key("$device:d1") + `"}`}},
	} {
		for _, format := range []string{"ndjson", "csv"} {
			files := w.export(strings.TrimSuffix(c.body, "}") + `,"format":"` + format + `"}`)
			text := files[c.folder+"events-0001."+format]
			for id, props := range c.want {
				if format == "csv" {
					props = `,` + id + `,"` + strings.ReplaceAll(props, `"`, `""`)
				}
				props = strings.TrimSuffix(strings.TrimPrefix(props, "{"), "}")
				if !strings.Contains(text, props) {
					t.Errorf("%s: got %s, want %s in it", name, text, props)
				}
			}
		}
	}
}

// An identity that is parted from the person while the archive is made is not in it.
func TestUnlinkedMeanwhile(t *testing.T) {
	t.Parallel()
	w := newWorld(t, time.Nanosecond, time.Minute)
	w.Deliver(t, w.store, []event.Event{ev("ann", "Seen", 1, "2025-01-01 00:00:00", `{}`), ev("$device:d1", "Seen", 2, "2025-01-01 00:00:00", `{"of":"DEVICE"}`)})
	w.link("$device:d1", "ann", person.Link{By: "token", Event: "$identify"})
	asked := w.ask(`{"distinct_ids":["ann"]}`)
	w.slice(asked.ID)
	found, err := request.Of(t.Context(), w.Default, w.Project.ID, w.personKey("$device:d1"))
	if err != nil || len(found) != 1 || found[0].Request != asked.ID {
		t.Fatalf("got %v, %v; want the export, which has listed the device", found, err)
	}
	linked, err := person.Disconnect(t.Context(), w.Databases, w.Project.ID, w.personKey("ann"), w.personKey("$device:d1"), "hash", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	w.settle(linked)
	for !w.slice(asked.ID).Status.Final() {
	}
	e := w.until(asked.ID, request.Done)
	if files := w.archive(e); e.Contents.Events != 1 || strings.Contains(fmt.Sprint(files), "DEVICE") {
		t.Errorf("got %d events, want the user's: %v", e.Contents.Events, files)
	}
}
