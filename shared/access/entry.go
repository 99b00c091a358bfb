// Package access is the access log: who has read, exported, changed or deleted
// which person's data, written before the answer leaves.
//
//	request ─▶ Guard ─ caller? ─▶ handler ─▶ answer, held back
//	                                 └─▶ Entry ─▶ Log.Write ─┬─▶ (default) projects/{project}/access/{entry}
//	                                                         └─▶ Cloud Logging, log "access"
//	                                      both written? ─▶ the answer leaves; else 503
//	every minute: entries that are not sealed ─▶ package seal: a Merkle tree and signed
//	              checkpoints in the bucket; (default) projects/{project}/sealing/tree: how far it is
//
// An entry's document holds the canonical JSON of the entry, its leaf in the tree,
// beside copies of some of its fields to filter by. No entry holds personal data: a
// person is named by the keyed hash, and literals in a where are masked. So the log
// outlives an erasure, and stays valid.
package access

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// ActorKind is what sort of caller an actor is.
type ActorKind string

// The kinds of actors.
const (
	ByKey    ActorKind = "api_key"
	ByStaff  ActorKind = "staff"
	BySDK    ActorKind = "sdk"
	BySystem ActorKind = "system"
)

// MaxPersons is how many persons an entry names; PersonCount has all.
const MaxPersons = 10

// Entry is one access. Its JSON, as Leaf writes it, is what is sealed.
type Entry struct {
	ID          string              `json:"id"` // sorts by time
	Project     string              `json:"project"`
	Time        time.Time           `json:"time"`
	Actor       string              `json:"actor"` // the hash of the API key, or an id of the staff member
	ActorKind   ActorKind           `json:"actor_kind"`
	Role        project.Role        `json:"role"`
	Action      string              `json:"action"`
	Object      string              `json:"object,omitempty"` // the id of a request
	Persons     []person.Key        `json:"persons,omitempty"`
	PersonCount int                 `json:"person_count,omitempty"`
	Count       int                 `json:"count,omitempty"` // of items disclosed, where the action has items
	Query       map[string][]string `json:"query,omitempty"` // masked
	Request     string              `json:"request_id,omitempty"`
	Grant       string              `json:"grant,omitempty"` // of a staff member
	Status      int                 `json:"status"`          // of the answer
}

// Leaf is the canonical JSON of the entry.
func (e *Entry) Leaf() ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		return nil, fmt.Errorf("encode access entry: %w", err)
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// idTime is the beginning of an entry's id.
const (
	idTime = "20060102T150405.000000Z"
	idDay  = "20060102"
)

// validID is the form of an entry's id.
var validID = regexp.MustCompile(`^\d{8}T\d{6}\.\d{6}Z-[0-9a-f]{16}$`)

// newID makes an entry's id.
func newID(at time.Time) string {
	b := make([]byte, 8)
	rand.Read(b) // never fails (crypto/rand since Go 1.24)
	return at.UTC().Format(idTime) + "-" + hex.EncodeToString(b)
}

// TimeOf is the time in an entry's id; the zero time if there is none in it.
func TimeOf(id string) time.Time {
	stamp, _, _ := strings.Cut(id, "-")
	at, _ := time.Parse(idTime, stamp)
	return at
}

// Collection is where a project's entries stand.
const Collection = "access"

// Doc is the document of an entry.
type Doc struct {
	Leaf   []byte `firestore:"leaf"`
	Sealed bool   `firestore:"sealed"`
	Index  int64  `firestore:"index"` // in the tree, once it is sealed

	// Copies of the leaf's, to filter and to order by: Firestore reads keys in
	// ascending order only.
	ID      string   `firestore:"id"`
	Actor   string   `firestore:"actor"`
	Action  string   `firestore:"action"`
	Persons []string `firestore:"persons,omitempty"`
}

// newDoc makes the document of an entry.
func newDoc(e *Entry, leaf []byte) Doc {
	d := Doc{Leaf: leaf, ID: e.ID, Actor: e.Actor, Action: e.Action}
	for _, k := range e.Persons {
		d.Persons = append(d.Persons, string(k))
	}
	return d
}

// Ref is where an entry stands.
func Ref(db *firestore.Client, project, id string) *firestore.DocumentRef {
	return db.Doc("projects/" + project + "/" + Collection + "/" + id)
}
