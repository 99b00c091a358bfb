package store_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// identify is an event of a person as SDKs send it.
func identify(n int, name, id, props string, received event.Millis) event.Event {
	return event.Event{Name: name, DistinctID: id, InsertID: fmt.Sprint("l", n), Time: t0, Received: received, Properties: props}
}

// cluster gives the distinct_ids that are one with a person, sorted.
func (s *system) cluster(id string) []string {
	s.t.Helper()
	get := func(refs []*firestore.DocumentRef) ([]*firestore.DocumentSnapshot, error) {
		return s.Default.GetAll(ctx, refs)
	}
	all, err := person.Cluster(get, s.Default, "app", s.key(id))
	if err != nil {
		s.t.Fatal(err)
	}
	var ids []string
	for _, m := range all {
		ids = append(ids, m.Doc.DistinctID)
	}
	slices.Sort(ids)
	return ids
}

func TestFormsOfLinks(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	long := strings.Repeat("é", event.MaxString)
	for i, c := range []struct{ name, id, props, want string }{
		{"$identify", "a", `{"$anon_distinct_id":"a2","$user_id":"a"}`, "a a2"},
		{"$identify", "b", `{"$identified_id":"b1","$anon_id":"b2"}`, "b1 b2"},
		{"$identify", "c1", `{"$anon_id":"ć/☕\"","mp_lib":"x"}`, `c1 ć/☕"`},
		{"$create_alias", "d", `{"alias":"d2","mp_lib":"web"}`, "d d2"},
		{"alias", "e", `{"alias":"e2"}`, "e e2"},
		{"$identify", "", `{"$identified_id":"f","$anon_id":"f2"}`, "f f2"},
		{"Seen", "g", `{"$anon_id":"g2","alias":"g3"}`, "g"},
		{"$identify", "h", `{"alias":"h2"}`, "h"},
		{"$identify", "i", `{"$anon_id":"i"}`, "i"},
		{"$identify", "j", `{"$anon_id":"Undefined"}`, "j"},
		{"$identify", "k", `{"$anon_id":""}`, "k"},
		{"$identify", "l", `{"$anon_id":7,"$anon_distinct_id":["x"]}`, "l"},
		{"$identify", "m", `{"$anon_id":"m2","$identified_id":null}`, "m"},
		{"$identify", "n", fmt.Sprintf(`{"$anon_id":%q}`, long), "n"},
		{"$identify", "o", `{"$anon_id":"o\u0000"}`, "o"},
		{"$create_alias", "p", `{}`, "p"},
		{"alias", "", `{"alias":"q"}`, ""},
		{"$identify", "r", fmt.Sprintf(`{"$anon_id":%q}`, long[2:]), "r " + long[2:]},
	} {
		payload := batch(identify(i, c.name, c.id, c.props, t0), ev(c.id, i, t0))
		s.deliver(payload)
		s.deliver(payload)
		id := strings.Split(c.want, " ")[0]
		if got := strings.Join(s.cluster(id), " "); got != c.want {
			t.Errorf("%s of %q with %s: %q, want %q", c.name, c.id, c.props, got, c.want)
		}
	}
}

// TestUnionFind links persons at random, in batches, some of them at once and some
// twice, and compares who is one with a plain union-find.
func TestUnionFind(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	s := newSystem(t)
	const n = 12
	parent := make([]int, n)
	for i := range parent {
		parent[i] = i
	}
	var root func(int) int
	root = func(i int) int {
		if parent[i] == i {
			return i
		}
		return root(parent[i])
	}
	var pairs [][2]int
	for range 9 {
		p := [2]int{r.IntN(n), r.IntN(n)}
		parent[root(p[0])] = root(p[1])
		pairs = append(pairs, p, p, [2]int{p[1], p[0]})
	}
	r.Shuffle(len(pairs), func(i, j int) { pairs[i], pairs[j] = pairs[j], pairs[i] })
	var events []event.Event
	for i, p := range pairs {
		e := identify(i, "$identify", fmt.Sprint("u", p[0]), fmt.Sprintf(`{"$anon_id":"u%d"}`, p[1]), t0+event.Millis(i))
		if r.IntN(2) == 0 {
			e.Name, e.Properties = "$create_alias", fmt.Sprintf(`{"alias":"u%d"}`, p[1])
		}
		events = append(events, e)
	}
	for i := range n { // all have a document
		events = append(events, ev(fmt.Sprint("u", i), i, t0))
	}
	for len(events) > 0 {
		at := min(len(events), 1+r.IntN(8))
		s.deliver(batch(events[:at]...))
		events = events[at:]
	}
	for i := range n {
		var want []string
		var keys []person.Key
		for j := range n {
			if root(j) == root(i) {
				want, keys = append(want, fmt.Sprint("u", j)), append(keys, s.key(fmt.Sprint("u", j)))
			}
		}
		slices.Sort(want)
		slices.Sort(keys)
		id := fmt.Sprint("u", i)
		if got := s.cluster(id); !slices.Equal(got, want) {
			t.Errorf("seed %d: %s is one with %v, want %v", seed, id, got, want)
		}
		d := s.doc(id)
		switch {
		case len(want) == 1:
			if d.Head != "" || len(d.Linked) > 0 {
				t.Errorf("seed %d: %s is alone, but %v %v", seed, id, d.Head, d.Linked)
			}
		case d.Head == "":
			all := append([]person.Key{s.key(id)}, d.Linked...)
			if !slices.IsSorted(d.Linked) {
				t.Errorf("seed %d: not sorted: %v", seed, d.Linked)
			}
			if slices.Sort(all); !slices.Equal(all, keys) {
				t.Errorf("seed %d: the head %s lists %v, want %v", seed, id, all, keys)
			}
		case len(d.Linked) > 0 || !slices.Contains(keys, d.Head) || d.Head == s.key(id):
			t.Errorf("seed %d: %s has head %v and lists %v", seed, id, d.Head, d.Linked)
		}
	}
}

// The links of a batch are made at once by several deliveries, and all hold.
func TestLinksAtOnce(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	done := make(chan int)
	const n = 6
	for i := range n {
		go func() {
			e := identify(i, "$identify", "user", fmt.Sprintf(`{"$anon_id":"device%d"}`, i), t0)
			code := 0
			for range 20 {
				if code = s.push(event.Pack(batch(e)), map[string]string{queue.AttrProject: "app"}); code == http.StatusNoContent {
					break
				}
			}
			done <- code
		}()
	}
	for range n {
		if code := <-done; code != http.StatusNoContent {
			t.Errorf("status %d", code)
		}
	}
	if got := s.cluster("device3"); len(got) != n+1 {
		t.Errorf("%v", got)
	}
}

func TestTooManyLinks(t *testing.T) {
	t.Parallel()
	s := newSystem(t)
	var events []event.Event
	for i := range person.MaxLinked {
		events = append(events, identify(i, "$identify", "user", fmt.Sprintf(`{"$anon_id":"device%d"}`, i), t0))
	}
	s.deliver(batch(events...))
	if d := s.doc("user"); len(d.Linked) != person.MaxLinked {
		t.Fatalf("%d linked", len(d.Linked))
	}
	s.deliver(batch(identify(1000, "$identify", "user", `{"$anon_id":"more"}`, t0), identify(1001, "$identify", "more", `{"$anon_id":"device1"}`, t0), ev("more", 1, t0)))
	if d := s.doc("user"); len(d.Linked) != person.MaxLinked {
		t.Errorf("%d linked", len(d.Linked))
	}
	if got := s.cluster("more"); !slices.Equal(got, []string{"more"}) {
		t.Errorf("%v", got)
	}
}
