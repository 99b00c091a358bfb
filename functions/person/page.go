package person

import (
	"cmp"
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"slices"
	"strings"
	"sync"

	"github.com/lethe-analytics/lethe/shared/event"
)

// position is where an event stands in a timeline. It depends on the event's key
// alone, so that an event keeps its position whatever else arrives.
type position struct {
	time event.Millis
	tie  uint64 // a hash of the key, among events of one time
}

func positionOf(e *event.Event) position {
	h := sha256.New()
	for _, s := range []string{e.Name, e.InsertID, e.DistinctID} {
		h.Write(binary.BigEndian.AppendUint64(nil, uint64(len(s))))
		h.Write([]byte(s))
	}
	return position{e.Time, binary.BigEndian.Uint64(h.Sum(nil))}
}

// compare is negative if p comes before q: it is newer.
func (p position) compare(q position) int {
	return cmp.Or(cmp.Compare(q.time, p.time), cmp.Compare(p.tie, q.tie))
}

// placed is an event on a page.
type placed struct {
	position
	event event.Event
}

func (p *placed) size() int {
	return len(p.event.Name) + len(p.event.InsertID) + len(p.event.Properties)
}

// page keeps the first events after a position, up to a number and a size, of all
// that are added in any order, by many at a time.
type page struct {
	limit int
	after *position

	mu    sync.Mutex
	kept  last // those kept
	bytes int
	end   *position // the first that did not fit: nothing from here on belongs to the page
}

func newPage(limit int, after *position) *page { return &page{limit: limit, after: after} }

// add offers an event to the page.
func (p *page) add(e *event.Event) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.after != nil && e.Time > p.after.time || p.end != nil && e.Time < p.end.time {
		return nil
	}
	pos := positionOf(e)
	if p.after != nil && pos.compare(*p.after) <= 0 || p.end != nil && pos.compare(*p.end) >= 0 {
		return nil
	}
	own := placed{pos, *e}
	// The event is cut out of its chunk, which it would keep in memory.
	own.event.Name, own.event.InsertID = strings.Clone(e.Name), strings.Clone(e.InsertID)
	own.event.DistinctID, own.event.Properties = strings.Clone(e.DistinctID), strings.Clone(e.Properties)
	p.bytes += own.size()
	heap.Push(&p.kept, own)
	for len(p.kept) > p.limit || p.bytes > maxPageBytes && len(p.kept) > 1 {
		out := heap.Pop(&p.kept).(placed)
		p.bytes -= out.size()
		p.end = &out.position
	}
	return nil
}

// firstDay is the first day that can have an event for the page, of those from a day on:
// where something comes after the page, none before the day of that.
func (p *page) firstDay(from string) string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.end == nil {
		return from
	}
	return max(from, p.end.time.Day())
}

// answer writes the page down, with a cursor if something comes after it. Other identities
// in the events are shown by the names that are known.
func (p *page) answer(seal func(position) string, known *names) (*Timeline, error) {
	slices.SortFunc(p.kept, func(a, b placed) int { return a.compare(b.position) })
	t := &Timeline{Events: make([]Event, len(p.kept))}
	for i := range p.kept {
		var err error
		if t.Events[i], err = newEvent(&p.kept[i].event, known); err != nil {
			return nil, err
		}
	}
	if p.end != nil {
		t.NextCursor = seal(p.kept[len(p.kept)-1].position)
	}
	return t, nil
}

// last is a heap (container/heap) whose first is what comes last in the timeline.
type last []placed

// Len implements heap.Interface.
func (l last) Len() int { return len(l) }

// Less implements heap.Interface.
func (l last) Less(i, j int) bool { return l[i].compare(l[j].position) > 0 }

// Swap implements heap.Interface.
func (l last) Swap(i, j int) { l[i], l[j] = l[j], l[i] }

// Push implements heap.Interface.
func (l *last) Push(x any) { *l = append(*l, x.(placed)) }

// Pop implements heap.Interface.
func (l *last) Pop() any {
	x := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return x
}
