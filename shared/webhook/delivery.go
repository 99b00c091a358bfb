package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"time"

	"cloud.google.com/go/firestore"
	"google.golang.org/api/iterator"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/queue"
)

// Limits of deliveries.
const (
	TryFor   = 24 * time.Hour      // how long an endpoint that fails is called again
	KeptFor  = 30 * 24 * time.Hour // how long a delivery stays in the log
	PageSize = 100                 // deliveries on a page of the log
	maxBody  = 256 << 10           // bytes: the longest event is an incident's
)

const deliveries = "deliveries"

// Status is how far a delivery is.
type Status string

// The statuses. The last two are final.
const (
	Pending   Status = "pending"
	Delivered Status = "delivered"
	Failed    Status = "failed"
)

// Delivery is one event for one endpoint: what is still to be sent, and afterwards an
// entry of the log.
type Delivery struct {
	ID       string    `firestore:"-"`
	Project  string    `firestore:"project"`
	Endpoint string    `firestore:"endpoint"`
	Event    string    `firestore:"event"` // id of the event: the header webhook-id
	Type     string    `firestore:"type"`
	Status   Status    `firestore:"status"`
	Attempts int       `firestore:"attempts"`
	Code     int       `firestore:"code,omitempty"`    // the last answer's; 0: there was none
	Failure  string    `firestore:"failure,omitempty"` // why it failed for good
	Created  time.Time `firestore:"created"`
	Last     time.Time `firestore:"last,omitempty"` // the last attempt
	Finished time.Time `firestore:"finished,omitempty"`
	Next     time.Time `firestore:"next,omitempty"` // the next attempt; absent once it is final
	Expires  time.Time `firestore:"expires"`        // Firestore's TTL policy deletes it then
	Body     string    `firestore:"body,omitempty"` // absent once it is final
}

// Event is something that happened in a project.
type Event struct {
	// ID makes sending it again the same event: letters, digits, - and _.
	ID      string
	Project string
	Type    string
	Data    any // becomes JSON; without personal data
}

// maxEvent is the longest ID of an event. It is no part of the patterns, which would
// take each cold start milliseconds to compile.
const maxEvent = 200

var eventID = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

func validEvent(id string) bool { return len(id) <= maxEvent && eventID.MatchString(id) }

// task is the data of a message: a delivery that is due. An empty one asks to look for
// those that are due again.
type task struct {
	Project  string `json:"project,omitempty"`
	Delivery string `json:"delivery,omitempty"`
}

// Send sees to it that an event reaches those of the project's endpoints that take its
// type, and counts these. The publisher is of topology.TopicWebhooks. An event may be
// sent again: it reaches each endpoint as one.
func Send(ctx context.Context, db *firestore.Client, pub *queue.Publisher, e Event) (count int, err error) {
	endpoints, err := List(ctx, db, e.Project)
	if err != nil {
		return 0, err
	}
	list, err := newDeliveries(e, endpoints)
	if err != nil {
		return 0, err
	}
	for _, d := range list {
		_, err := deliveryRef(db, d.Project, d.ID).Create(ctx, d)
		if err != nil && status.Code(err) != codes.AlreadyExists {
			return 0, fmt.Errorf("store delivery: %w", err)
		}
	}
	return len(list), Publish(ctx, pub, list)
}

// Store stores a new event in the transaction in which it happens, so that neither is
// without the other: first it reads, then it writes. Whoever committed that gives the
// deliveries to Publish; those that are lost on the way are published a minute later.
func Store(tx *firestore.Transaction, db *firestore.Client, e Event) ([]*Delivery, error) {
	endpoints, err := decodeList(tx.Documents(endpointsOf(db, e.Project)).GetAll())
	if err != nil {
		return nil, err
	}
	list, err := newDeliveries(e, endpoints)
	if err != nil {
		return nil, err
	}
	for _, d := range list {
		if err := tx.Create(deliveryRef(db, d.Project, d.ID), d); err != nil {
			return nil, fmt.Errorf("store delivery: %w", err)
		}
	}
	return list, nil
}

// Publish has stored deliveries made at once.
func Publish(ctx context.Context, pub *queue.Publisher, list []*Delivery) error {
	for _, d := range list {
		if err := publish(ctx, pub, d); err != nil {
			return err
		}
	}
	return nil
}

// newDeliveries makes those of an event, for the endpoints that take its type.
func newDeliveries(e Event, endpoints []*Endpoint) (list []*Delivery, err error) {
	if !validEvent(e.ID) {
		return nil, fault.New(fault.Internal, "the id of an event is not valid")
	}
	var body []byte
	for _, to := range endpoints {
		if !to.Takes(e.Type) {
			continue
		}
		if body == nil {
			if body, err = marshal(e); err != nil {
				return nil, err
			}
		}
		list = append(list, newDelivery(e, to, body))
	}
	return list, nil
}

// marshal writes the body of an event.
func marshal(e Event) ([]byte, error) {
	body, err := json.Marshal(struct {
		Type      string    `json:"type"`
		Timestamp time.Time `json:"timestamp"`
		Data      any       `json:"data"`
	}{e.Type, now(), e.Data})
	if err != nil {
		return nil, fmt.Errorf("write an event: %w", err)
	}
	if len(body) > maxBody {
		return nil, fault.New(fault.Internal, "an event is over %d bytes", maxBody)
	}
	return body, nil
}

func newDelivery(e Event, to *Endpoint, body []byte) *Delivery {
	t := now()
	return &Delivery{ID: e.ID + "." + to.ID, Project: e.Project, Endpoint: to.ID, Event: e.ID, Type: e.Type,
		Status: Pending, Created: t, Next: t, Expires: t.Add(KeptFor), Body: string(body)}
}

func publish(ctx context.Context, pub *queue.Publisher, d *Delivery) error {
	data, err := json.Marshal(task{d.Project, d.ID})
	if err != nil {
		return fmt.Errorf("write a task: %w", err)
	}
	return pub.Publish(ctx, data, map[string]string{queue.AttrProject: d.Project})
}

// deliveryRef is a delivery's document.
func deliveryRef(db *firestore.Client, project, id string) *firestore.DocumentRef {
	return db.Doc("projects/" + project + "/" + deliveries + "/" + id)
}

var deliveryID = regexp.MustCompile(`^[A-Za-z0-9_-]+\.[0-9a-f-]{36}$`)

// validDelivery reports whether a text has the form of a delivery's id.
func validDelivery(id string) bool { return len(id) <= maxEvent+37 && deliveryID.MatchString(id) }

// Log reads a page of a project's deliveries, the newest first. The cursor is that of
// the page before, or empty.
func Log(ctx context.Context, db *firestore.Client, project, cursor string) (page []*Delivery, next string, err error) {
	q := db.Collection("projects/"+project+"/"+deliveries).Where("created", ">", now().Add(-KeptFor)).
		OrderBy("created", firestore.Desc).OrderBy(firestore.DocumentID, firestore.Desc)
	if cursor != "" {
		bad := fault.InField("cursor", "is not one that this list gave out")
		if !validDelivery(cursor) {
			return nil, "", bad
		}
		snap, err := deliveryRef(db, project, cursor).Get(ctx)
		if status.Code(err) == codes.NotFound {
			return nil, "", bad
		}
		if err != nil {
			return nil, "", fmt.Errorf("read delivery: %w", err)
		}
		last, err := decodeDelivery(snap)
		if err != nil {
			return nil, "", err
		}
		q = q.StartAfter(last.Created, last.ID)
	}
	docs := q.Limit(PageSize + 1).Documents(ctx)
	defer docs.Stop()
	for {
		snap, err := docs.Next()
		if errors.Is(err, iterator.Done) {
			return page, next, nil
		}
		if err != nil {
			return nil, "", fmt.Errorf("list deliveries: %w", err)
		}
		if len(page) == PageSize {
			next = page[PageSize-1].ID
			continue
		}
		d, err := decodeDelivery(snap)
		if err != nil {
			return nil, "", err
		}
		page = append(page, d)
	}
}

func decodeDelivery(snap *firestore.DocumentSnapshot) (*Delivery, error) {
	d := &Delivery{ID: snap.Ref.ID}
	if err := snap.DataTo(d); err != nil {
		return nil, fmt.Errorf("decode delivery: %w", err)
	}
	return d, nil
}
