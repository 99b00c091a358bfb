package incident

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/web"
)

// AuthorityWithin is how long a controller has to tell its authority (GDPR Art. 33(1)).
const AuthorityWithin = 72 * time.Hour

// Answer is an incident in an answer, and, but for older updates, in what webhooks say.
// The members at its end are for staff alone: a customer learns nothing of others.
type Answer struct {
	ID           string         `json:"id"`
	Title        string         `json:"title"`
	Description  string         `json:"description"`
	Categories   []string       `json:"categories"`
	Consequences string         `json:"consequences,omitempty"`
	Measures     string         `json:"measures"`
	Persons      *int           `json:"persons_about,omitempty"`
	Records      *int           `json:"records_about,omitempty"`
	OccurredAt   time.Time      `json:"occurred_at"`
	NoticedAt    time.Time      `json:"noticed_at"`
	Hours        float64        `json:"hours_since_awareness"` // to one decimal
	Deadline     time.Time      `json:"authority_deadline"`    // 72 hours after noticed_at
	OpenedAt     time.Time      `json:"opened_at"`
	ClosedAt     time.Time      `json:"closed_at,omitzero"`
	Updates      []UpdateAnswer `json:"updates"`
	Notice       *NoticeAnswer  `json:"notice,omitempty"` // of the customer that asks

	OpenedBy string         `json:"opened_by,omitempty"`
	Projects []string       `json:"projects,omitempty"`
	Notices  []NoticeAnswer `json:"notices,omitempty"`
}

// UpdateAnswer is an update in an answer.
type UpdateAnswer struct {
	Text string    `json:"text"`
	At   time.Time `json:"at"`
	By   string    `json:"by,omitempty"` // for staff alone
}

// NoticeAnswer is what a customer knows, in an answer.
type NoticeAnswer struct {
	Project        string    `json:"project"`
	Sent           int       `json:"sent"`
	LastAt         time.Time `json:"last_at,omitzero"`
	NextAt         time.Time `json:"next_at,omitzero"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
	EscalatedAt    time.Time `json:"escalated_at,omitzero"`
}

func newNotice(n *Notice) NoticeAnswer {
	return NoticeAnswer{Project: n.Project, Sent: n.Sent, LastAt: n.Last.UTC(), NextAt: n.Due.UTC(),
		AcknowledgedAt: n.Acknowledged.UTC(), EscalatedAt: n.Escalated.UTC()}
}

// newAnswer makes the answer for a customer, or for staff.
func newAnswer(i *Incident, staff bool) Answer {
	a := Answer{ID: i.ID, Title: i.Title, Description: i.Description, Categories: i.Categories, Consequences: i.Consequences, Measures: i.Measures,
		Persons: i.Persons, Records: i.Records, OccurredAt: i.Occurred.UTC(), NoticedAt: i.Noticed.UTC(), OpenedAt: i.Opened.UTC(), ClosedAt: i.Closed.UTC(),
		Hours: math.Floor(time.Since(i.Noticed).Hours()*10) / 10, Deadline: i.Noticed.Add(AuthorityWithin).UTC(), Updates: []UpdateAnswer{}}
	for _, u := range i.Updates {
		next := UpdateAnswer{Text: u.Text, At: u.At.UTC()}
		if staff {
			next.By = u.By
		}
		a.Updates = append(a.Updates, next)
	}
	if staff {
		a.OpenedBy, a.Projects = i.By, i.Projects
	}
	return a
}

// eventUpdates is how many updates an event has at most: with more, one whose texts are
// as long as they may be would be too large to be sent.
const eventUpdates = 5

// newEvent is what webhooks say of an incident: the newest of its updates alone. The
// customer reads the others, as all of the incident, by its id.
func newEvent(i *Incident) Answer {
	a := newAnswer(i, false)
	a.Updates = a.Updates[max(0, len(a.Updates)-eventUpdates):]
	return a
}

// find reads the incident of a request, if it is one for the viewer.
func (s *server) find(ctx context.Context, v viewer, r *http.Request) (*Incident, error) {
	i, err := get(ctx, s.db, r.PathValue("id"))
	if err == nil && !v.Staff && !i.affects(v.Project) {
		return nil, notFound(nil)
	}
	return i, err
}

// answer makes the answer about one incident, with its notices.
func (s *server) answer(ctx context.Context, v viewer, i *Incident) (Answer, error) {
	all, err := s.answers(ctx, v, []*Incident{i})
	if err != nil || !v.Staff {
		if err != nil {
			return Answer{}, err
		}
		return all[0], nil
	}
	docs, err := Ref(s.db, i.ID).Collection(NoticesCollection).Documents(ctx).GetAll()
	if err != nil {
		return Answer{}, fmt.Errorf("read notices: %w", err)
	}
	for _, d := range docs {
		n, err := decodeNotice(d)
		if err != nil {
			return Answer{}, err
		}
		all[0].Notices = append(all[0].Notices, newNotice(n))
	}
	return all[0], nil
}

// answers makes the answers about some; a customer's have its notice.
func (s *server) answers(ctx context.Context, v viewer, some []*Incident) ([]Answer, error) {
	all := make([]Answer, len(some))
	refs := make([]*firestore.DocumentRef, len(some))
	for n, i := range some {
		all[n], refs[n] = newAnswer(i, v.Staff), NoticeRef(s.db, i.ID, v.Project)
	}
	if v.Staff || len(some) == 0 {
		return all, nil
	}
	docs, err := s.db.GetAll(ctx, refs)
	if err != nil {
		return nil, fmt.Errorf("read notices: %w", err)
	}
	for n, d := range docs {
		notice, err := decodeNotice(d)
		if err != nil {
			return nil, err
		}
		a := newNotice(notice)
		all[n].Notice = &a
	}
	return all, nil
}

// tell answers with an incident.
func (s *server) tell(ctx context.Context, v viewer, w http.ResponseWriter, i *Incident) error {
	a, err := s.answer(ctx, v, i)
	if err != nil {
		return err
	}
	web.WriteJSON(w, a)
	return nil
}

// get answers GET /v1/incidents/{id}.
func (s *server) get(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	i, err := s.find(ctx, v, r)
	if err != nil {
		return err
	}
	return s.tell(ctx, v, w, i)
}

// list answers GET /v1/incidents.
func (s *server) list(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	cursor, _ := q.One("cursor")
	if err := q.Err(); err != nil {
		return err
	}
	some, next, err := page(ctx, s.db, v.Project, cursor)
	if err != nil {
		return err
	}
	all, err := s.answers(ctx, v, some)
	if err != nil {
		return err
	}
	web.WriteJSON(w, struct {
		Incidents  []Answer `json:"incidents"`
		NextCursor string   `json:"next_cursor,omitempty"`
	}{all, next})
	return nil
}
