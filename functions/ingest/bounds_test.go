package ingest_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/profile"
)

// A request may say 100 times who is who; what is beyond is refused one by one, and the
// rest is kept. A service account may say more.
func TestBoundedLinks(t *testing.T) {
	t.Parallel()
	s := newProver(t)
	names := []string{"$identify", "alias", "$create_alias", "$merge"}
	var list []string
	for i := range 102 {
		list = append(list, s.named(names[i%4], "ann", fmt.Sprintf(`,"$anon_id":"$device:%d"`, i)))
	}
	list = append(list, s.event("ann", ""))
	body := "[" + s.event("null", "") + "," + strings.Join(list, ",") + "]"
	const why = "more than 100 statements of who is who in one request"
	a := s.post("/track?verbose=1", jsonType, "["+strings.Join(list, ",")+"]")
	if a.code != 200 || !strings.HasPrefix(a.body, `{"status":1,"error":"`+why) {
		t.Errorf("got %d %s, want taken, with why", a.code, a.body)
	}
	s.published(101)
	a = s.importWith(s.Token, body)
	var got struct {
		Failed []struct {
			Index   int
			Message string
		} `json:"failed_records"`
		Imported int `json:"num_records_imported"`
	}
	if err := json.Unmarshal([]byte(a.body), &got); err != nil {
		t.Fatal(err)
	}
	if a.code != 400 || got.Imported != 101 || len(got.Failed) != 3 || got.Failed[0].Index != 0 || got.Failed[1].Index != 101 || got.Failed[2].Index != 102 ||
		!strings.HasPrefix(got.Failed[2].Message, why) {
		t.Errorf("got %d %+v, want 101 events and the last two links refused", a.code, got)
	}
	s.published(101)
	if a := s.withAccount("/import?strict=1&project_id=app", "["+strings.Join(list, ",")+"]"); a.code != 200 {
		t.Errorf("got %d %s by a service account, want 200", a.code, a.body)
	}
	s.published(103)
	if a := s.post("/track?verbose=1", jsonType, "["+strings.Join(list[:100], ",")+"]"); a.body != `{"status":1,"error":null}` {
		t.Errorf("got %d %s of 100, want all taken", a.code, a.body)
	}
	s.published(100)
}

const full = `{"status":0,"error":"the profile is full (512 KiB): $unset something first"}`

// What has no room in a profile, as far as store has told, is refused; what makes room is
// taken, and what comes after it.
func TestFullProfile(t *testing.T) {
	t.Parallel()
	s := newProver(t)
	fill := func(id string, room int, ago time.Duration) {
		s.atEdge(id, person.OptOut{State: consent.Unset, Filled: &person.Filled{Bytes: profile.MaxBytes - room, At: time.Now().Add(-ago)}})
	}
	fill("ann", 20, 0)
	fill("bob", 0, person.FilledFor)
	op := func(id, op string) string { return fmt.Sprintf(`{"$token":%q,"$distinct_id":%q,%s}`, s.Token, id, op) }
	const large = `"$set":{"name":"0123456789012345"}`
	taken := 0
	for _, c := range []struct{ body, want string }{
		{op("ann", `"$set":{"n":"0123456"}`), `{"status":1,"error":null}`},
		{op("ann", large), full},
		{op("ann", strings.Replace(large, "$set", "$set_once", 1)), full},
		{op("ann", `"$append":{"list":"0123456789012345"}`), full},
		{op("bob", large), `{"status":1,"error":null}`}, // that was long ago
		{op("cat", large), `{"status":1,"error":null}`},
		{op("cat", `"$set":{"n":"`+strings.Repeat("x", 200)+`","list":[`+strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("y", 250)+`",`, 250), ",")+`]}`), `{"status":1,"error":null}`},
		{op("ann", `"$remove":{"list":"0123456789012345"}`), `{"status":1,"error":null}`},
		{op("ann", large), `{"status":1,"error":null}`}, // there may be room now
	} {
		a := s.post("/engage?verbose=1", jsonType, c.body)
		if a.code != 200 || a.body != c.want {
			t.Errorf("%.80s: got %d %s, want %s", c.body, a.code, a.body, c.want)
		}
		if c.want != full {
			taken++
		}
	}
	s.published(taken)
	s.fresh() // it forgets, and reads again
	if a := s.post("/engage", jsonType, op("ann", large)); a.body != "0" {
		t.Errorf("got %d %s, want 0", a.code, a.body)
	}
	if a := s.withAccount("/engage?verbose=1", "["+op("ann", large)+","+op("dan", large)+"]"); a.body != strings.Replace(full, `"status":0`, `"status":1`, 1) {
		t.Errorf("got %d %s, want the other's taken", a.code, a.body)
	}
	if a := s.post("/engage?verbose=1", jsonType, "["+op("ann", `"$unset":["x"]`)+","+op("ann", large)+"]"); a.body != `{"status":1,"error":null}` {
		t.Errorf("got %d %s, want both taken", a.code, a.body)
	}
	s.published(3)
}

// An operation that is larger than a profile may be is refused whosever it is.
func TestTooLargeForAnyProfile(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	list := strings.TrimSuffix(strings.Repeat(`"`+strings.Repeat("y", 250)+`",`, 250), ",")
	var fields []string
	for i := range 9 {
		fields = append(fields, fmt.Sprintf(`"list%d":[%s]`, i, list))
	}
	body := fmt.Sprintf(`{"$token":%q,"$distinct_id":"ann","$set":{%s}}`, s.Token, strings.Join(fields, ","))
	if a := s.post("/engage?verbose=1", jsonType, body); a.body != full {
		t.Errorf("got %d %s, want it refused", a.code, a.body)
	}
}
