package access

import (
	"context"
	"log/slog"
	"net/http"
	"regexp"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/web"
)

// Guard is the one way to the endpoints that disclose or change a customer's data:
// it knows the caller, and lets no answer out that is not in the access log.
type Guard struct {
	db      *firestore.Client
	log     *Log
	staff   *staff.Verifier // nil: no staff are let in
	timeout time.Duration
}

// DefaultTimeout is how long an answer may take, unless Within says otherwise.
const DefaultTimeout = time.Minute

// OpenGuard opens the log and makes its guard.
func OpenGuard(ctx context.Context, c gcp.Config, db *firestore.Client) (*Guard, error) {
	log, err := OpenLog(ctx, c, db)
	if err != nil {
		return nil, err
	}
	var sc staff.Config
	if err := gcp.Load(ctx, &sc); err != nil {
		return nil, err
	}
	v, err := staff.NewVerifier(context.WithoutCancel(ctx), sc)
	if err != nil {
		return nil, err
	}
	return NewGuard(db, log).WithStaff(v), nil
}

// NewGuard makes a guard.
func NewGuard(db *firestore.Client, log *Log) *Guard {
	return &Guard{db: db, log: log, timeout: DefaultTimeout}
}

// Within is the guard with another time for an answer, after which its caller gets
// a 503.
func (g *Guard) Within(timeout time.Duration) *Guard {
	other := *g
	other.timeout = timeout
	return &other
}

// WithStaff is the guard that lets staff in too.
func (g *Guard) WithStaff(v *staff.Verifier) *Guard {
	other := *g
	other.staff = v
	return &other
}

// Handler answers a call of a known caller who may make it. What it writes is held
// back until the access is logged.
type Handler func(ctx context.Context, c *Call, w http.ResponseWriter, r *http.Request) error

// Call is one call of an endpoint. The handler notes on it what it discloses.
type Call struct {
	project.Caller                  // of staff: the role that a key would need, and the member's pseudonym as KeyHash
	Member         *staff.Member    // nil: a key calls
	Session        *project.Session // by which the key or the member calls; nil: by itself
	guard          *Guard
	entry          Entry
	answer         *answer
}

// About notes persons whose data is disclosed or changed.
func (c *Call) About(keys ...person.Key) {
	c.entry.PersonCount += len(keys)
	room := MaxPersons - len(c.entry.Persons)
	c.entry.Persons = append(c.entry.Persons, keys[:min(len(keys), room)]...)
}

// AboutIDs is About, by the distinct_ids and the secret of the project.
func (c *Call) AboutIDs(secret []byte, distinctIDs []string) {
	for _, id := range distinctIDs[:min(len(distinctIDs), MaxPersons)] {
		c.About(person.MakeKey(secret, id))
	}
	c.Persons(len(distinctIDs))
}

// Persons notes how many persons the call is about, where they are not all named.
func (c *Call) Persons(n int) { c.entry.PersonCount = n }

// Count notes how many items are disclosed.
func (c *Call) Count(n int) { c.entry.Count = n }

// Object notes the id of what was made, read or changed. It must not be personal.
func (c *Call) Object(id string) { c.entry.Object = id }

// Release logs the access at once and lets all that is written from now on leave
// without being held back: for answers too long to hold. An error before it is
// answered as ever; after it the connection is cut, so that nobody takes half of an
// answer for all of it.
func (c *Call) Release(ctx context.Context) error {
	c.entry.Status = c.answer.code
	if err := c.guard.log.Write(ctx, &c.entry); err != nil {
		return err
	}
	return c.answer.release()
}

// Route makes the route of an endpoint of the table; one that is not in it is a
// mistake of the program.
func (g *Guard) Route(method, path string, h Handler) web.Route {
	e := Find(method, path)
	return web.Route{Method: method, Path: path, Handler: func(w http.ResponseWriter, r *http.Request) error {
		return g.serve(e, h, w, r)
	}}
}

func (g *Guard) serve(e Endpoint, h Handler, w http.ResponseWriter, r *http.Request) error {
	ctx, cancel := context.WithTimeout(r.Context(), g.timeout)
	defer cancel()
	c := &Call{guard: g, answer: newAnswer(w), entry: Entry{
		ActorKind: ByKey, Action: e.Action, Object: object(r), Query: maskQuery(r.URL.Query()), Request: web.RequestID(ctx),
	}}
	err := g.identify(ctx, c, e, r)
	if err != nil && fault.Of(err) != fault.Forbidden {
		return err // nobody whose access could be logged
	}
	checked := err == nil
	if checked {
		if err = h(ctx, c, c.answer, r); err == nil {
			err = c.answer.err
		}
	}
	if c.answer.open {
		if err != nil {
			slog.ErrorContext(ctx, "answer cut off", "error", err.Error())
			panic(http.ErrAbortHandler)
		}
		return nil
	}
	c.entry.Status = c.answer.code
	if err != nil {
		c.entry.Status = web.Status(err)
	}
	if !checked || c.entry.Status == http.StatusBadRequest {
		c.entry.Query = nil // what is not valid may hold anything
	}
	if e.Action != "" && c.entry.Project != "" { // staff may call for no project at all
		if err := g.log.Write(ctx, &c.entry); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	return c.answer.release()
}

// identify finds the caller, who must have the endpoint's rights, and notes it on the
// call. With a Forbidden fault the caller is noted too. This is the one place where a
// request gets its rights.
func (g *Guard) identify(ctx context.Context, c *Call, e Endpoint, r *http.Request) (err error) {
	authenticate := project.Authenticate
	if project.IsSession(r) {
		if c.Session, err = project.OpenSession(ctx, g.db, r); err != nil {
			return err
		}
		authenticate = c.Session.Authenticate
	}
	if g.staff != nil && (staff.Bearer(r) || c.Session != nil && c.Session.Email != "") {
		return g.identifyStaff(ctx, c, e, r)
	}
	if e.Role == "" {
		return fault.New(fault.Unauthorized, "this is for staff: send an ID token as Authorization: Bearer TOKEN")
	}
	c.Caller, err = authenticate(ctx, g.db, r, e.Role)
	c.entry.Project, c.entry.Actor, c.entry.Role = c.Project, c.KeyHash, c.Role
	return err
}

// objectID is the form of ids that Lethe makes; whatever else stands in a path may
// be personal.
var objectID = regexp.MustCompile(`^[0-9a-f-]{16,64}$`)

// object is the id in the path, if it has one of that form.
func object(r *http.Request) string {
	if id := r.PathValue("id"); objectID.MatchString(id) {
		return id
	}
	return ""
}
