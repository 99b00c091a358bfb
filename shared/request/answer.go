package request

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Answer is what every kind of request tells of itself.
type Answer struct {
	ID         string    `json:"id"`
	Kind       Kind      `json:"kind"`
	Status     Status    `json:"status"`
	CreatedAt  time.Time `json:"created_at"`
	StartedAt  time.Time `json:"started_at,omitzero"`
	FinishedAt time.Time `json:"finished_at,omitzero"`
	By         string    `json:"by"` // names the API key: the first characters of its hash
	Failure    string    `json:"failure,omitempty"`
	Progress   *Progress `json:"progress,omitempty"` // while it runs
	// Hinted are the persons who may be meant, while the request needs confirmation, and
	// MoreHinted how many others are not listed.
	Hinted     []Hinted  `json:"hinted,omitempty"`
	MoreHinted int       `json:"more_hinted,omitempty"`
	DecidedAt  time.Time `json:"decided_at,omitzero"` // when they were confirmed or refused
	DecidedBy  string    `json:"decided_by,omitempty"`
}

// Progress is how far a running request is, as of the last position that was saved.
type Progress struct {
	Stage  string `json:"stage"`  // what is being done, in a word or two
	Events int    `json:"events"` // dealt with so far
}

// byLength is how much of a key's hash an answer tells.
const byLength = 12

func shortKey(hash string) string { return hash[:min(len(hash), byLength)] }

// NewAnswer makes the answer about a request.
func NewAnswer(r *Request) Answer {
	return Answer{
		ID: r.ID, Kind: r.Kind, Status: r.Status, Failure: r.Failure, By: shortKey(r.Actor),
		CreatedAt: r.Created.UTC(), StartedAt: r.Started.UTC(), FinishedAt: r.Finished.UTC(),
		DecidedAt: r.Decided.UTC(), DecidedBy: shortKey(r.DecidedBy),
	}
}

// Accepted answers 202 with where the request is to be found.
func Accepted(w http.ResponseWriter, path string, answer any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Location", path)
	w.WriteHeader(http.StatusAccepted)
	web.WriteJSON(w, answer)
}

// IdempotencyKey reads the header of that name
// (https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
func IdempotencyKey(r *http.Request) (string, error) {
	key := r.Header.Get("Idempotency-Key")
	if len(key) > event.MaxString {
		return "", fault.InField("Idempotency-Key", "is longer than %d bytes", event.MaxString)
	}
	return key, nil
}

// ParseList reads the parameters of a list of requests.
func ParseList(r *http.Request) (st Status, cursor string, err error) {
	q := web.ParseQuery(r)
	text, given := q.One("status")
	if given && !slices.Contains(Statuses, Status(text)) {
		known := make([]string, len(Statuses))
		for i, s := range Statuses {
			known[i] = string(s)
		}
		q.Fail("status", "must be one of %s", strings.Join(known, ", "))
	}
	cursor, _ = q.One("cursor")
	return Status(text), cursor, q.Err()
}
