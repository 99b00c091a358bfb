package incident

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"cloud.google.com/go/firestore"
	"github.com/google/uuid"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// Incident is the document of an incident. It says what happened, and holds no personal
// data.
type Incident struct {
	ID           string    `firestore:"-"`
	Title        string    `firestore:"title"`
	Description  string    `firestore:"description"`
	Categories   []string  `firestore:"categories"` // of data and of persons
	Consequences string    `firestore:"consequences,omitempty"`
	Measures     string    `firestore:"measures"`
	Persons      *int      `firestore:"persons,omitempty"` // about how many
	Records      *int      `firestore:"records,omitempty"`
	Projects     []string  `firestore:"projects"` // affected
	Occurred     time.Time `firestore:"occurred"`
	Noticed      time.Time `firestore:"noticed"`
	Opened       time.Time `firestore:"opened"`
	Closed       time.Time `firestore:"closed,omitempty"`
	By           string    `firestore:"by"`      // who opened it: a member of staff
	Version      int       `firestore:"version"` // one more with each update
	Updates      []Update  `firestore:"updates,omitempty"`
}

// Update is what has become known since.
type Update struct {
	Text string    `firestore:"text"`
	At   time.Time `firestore:"at"`
	By   string    `firestore:"by"`
}

// Notice is what one customer knows of an incident.
type Notice struct {
	Incident     string    `firestore:"incident"`
	Project      string    `firestore:"project"`
	Created      time.Time `firestore:"created"`
	Version      int       `firestore:"version"` // of the incident that it was told last
	Sent         int       `firestore:"sent"`    // how often it was told
	Last         time.Time `firestore:"last,omitempty"`
	Due          time.Time `firestore:"due,omitempty"`   // when it is to be told next; absent: never
	Lease        time.Time `firestore:"lease,omitempty"` // until then a worker has it
	Acknowledged time.Time `firestore:"acknowledged,omitempty"`
	By           string    `firestore:"by,omitempty"` // hash of the API key that acknowledged
	Escalated    time.Time `firestore:"escalated,omitempty"`
	Unreached    time.Time `firestore:"unreached,omitempty"` // when there was last no way to tell it
}

// Collections of incidents and of their notices.
const (
	Collection        = "incidents"
	NoticesCollection = "notices"
)

// Ref is an incident's document.
func Ref(db *firestore.Client, id string) *firestore.DocumentRef {
	return db.Doc(Collection + "/" + id)
}

// NoticeRef is the document of a customer's notice.
func NoticeRef(db *firestore.Client, id, project string) *firestore.DocumentRef {
	return Ref(db, id).Collection(NoticesCollection).Doc(project)
}

// now is the present in the precision that Firestore keeps.
func now() time.Time { return time.Now().UTC().Truncate(time.Microsecond) }

// task is the data of a message: a notice that is due. An empty one asks to look for
// those that are.
type task struct {
	Incident string `json:"incident,omitempty"`
	Project  string `json:"project,omitempty"`
}

// valid reports whether it can name a notice.
func (t task) valid() bool { return validID(t.Incident) && project.ValidID(t.Project) }

func validID(id string) bool {
	u, err := uuid.Parse(id)
	return err == nil && u.String() == id
}

func publish(ctx context.Context, pub *queue.Publisher, t task) error {
	data, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write a task: %w", err)
	}
	return pub.Publish(ctx, data, map[string]string{queue.AttrProject: t.Project})
}

// publishAll has every notice of an incident looked at. What is lost is found by the
// look of every hour.
func publishAll(ctx context.Context, pub *queue.Publisher, i *Incident) error {
	for _, p := range i.Projects {
		if err := publish(ctx, pub, task{i.ID, p}); err != nil {
			return err
		}
	}
	return nil
}

// store writes a new incident with its notices. One that has the same id is the same.
func store(ctx context.Context, db *firestore.Client, i *Incident) error {
	refs := make([]*firestore.DocumentRef, len(i.Projects))
	for n, p := range i.Projects {
		refs[n] = db.Doc("projects/" + p)
	}
	docs, err := db.GetAll(ctx, refs)
	if err != nil {
		return fmt.Errorf("read affected projects: %w", err)
	}
	for n, d := range docs {
		if !d.Exists() {
			return fault.InField(fmt.Sprintf("projects[%d]", n), "there is no such project")
		}
	}
	err = db.RunTransaction(ctx, func(_ context.Context, tx *firestore.Transaction) error {
		if err := tx.Create(Ref(db, i.ID), i); err != nil {
			return err
		}
		for _, p := range i.Projects {
			if err := tx.Create(NoticeRef(db, i.ID, p), Notice{Incident: i.ID, Project: p, Created: i.Opened, Due: i.Opened}); err != nil {
				return err
			}
		}
		return nil
	})
	if status.Code(err) == codes.AlreadyExists {
		stored, err := get(ctx, db, i.ID)
		if err == nil {
			*i = *stored
		}
		return err
	}
	if err != nil {
		return fmt.Errorf("store incident: %w", err)
	}
	return nil
}

// get reads an incident, or a NotFound fault.
func get(ctx context.Context, db *firestore.Client, id string) (*Incident, error) {
	if !validID(id) {
		return nil, notFound(nil)
	}
	snap, err := Ref(db, id).Get(ctx)
	if status.Code(err) == codes.NotFound {
		return nil, notFound(err)
	}
	if err != nil {
		return nil, fmt.Errorf("read incident: %w", err)
	}
	return decode(snap)
}

func notFound(cause error) error {
	return fault.Wrap(fault.NotFound, cause, "there is no such incident")
}

func decode(snap *firestore.DocumentSnapshot) (*Incident, error) {
	i := &Incident{ID: snap.Ref.ID}
	if err := snap.DataTo(i); err != nil {
		return nil, fmt.Errorf("decode incident: %w", err)
	}
	return i, nil
}

func decodeNotice(snap *firestore.DocumentSnapshot) (*Notice, error) {
	n := &Notice{}
	if err := snap.DataTo(n); err != nil {
		return nil, fmt.Errorf("decode notice: %w", err)
	}
	return n, nil
}

// affects reports whether a project is affected.
func (i *Incident) affects(id string) bool { return slices.Contains(i.Projects, id) }

// pageSize is the number of incidents on a page.
const pageSize = 50

// page reads a page of the incidents, the newest first; of a project's, unless it is
// empty. The cursor is that of the page before, or empty.
func page(ctx context.Context, db *firestore.Client, projectID, cursor string) (all []*Incident, next string, err error) {
	q := db.Collection(Collection).Query
	if projectID != "" {
		q = q.Where("projects", "array-contains", projectID)
	}
	q = q.OrderBy("opened", firestore.Desc).OrderBy(firestore.DocumentID, firestore.Desc)
	if cursor != "" {
		last, err := get(ctx, db, cursor)
		if fault.Of(err) == fault.NotFound || err == nil && projectID != "" && !last.affects(projectID) {
			return nil, "", fault.InField("cursor", "is not one that this list gave out")
		}
		if err != nil {
			return nil, "", err
		}
		q = q.StartAfter(last.Opened, last.ID)
	}
	docs := q.Limit(pageSize + 1).Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return all, next, nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("list incidents: %w", err)
		}
		if len(all) == pageSize {
			next = all[pageSize-1].ID
			continue
		}
		i, err := decode(snap)
		if err != nil {
			return nil, "", err
		}
		all = append(all, i)
	}
}
