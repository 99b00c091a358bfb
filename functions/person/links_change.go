package person

import (
	"context"
	"net/http"
	"time"

	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/join"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxLinkBody bounds the body of POST /v1/people/{distinct_id}/links.
const maxLinkBody = 16 << 10

// linkPair are two identities, of which a link is made or taken back.
type linkPair struct {
	project   string
	id, other person.Named
}

// identifyPair finds the identities of the path and of a field.
func (s *server) identifyPair(ctx context.Context, caller *access.Call, distinctID, field, other string) (p linkPair, err error) {
	p = linkPair{project: caller.Project, id: person.Named{DistinctID: distinctID}, other: person.Named{DistinctID: other}}
	if p.id.Key, err = s.identify(ctx, caller, "distinct_id", distinctID); err != nil {
		return p, err
	}
	if p.other.Key, err = s.identify(ctx, caller, field, other); err != nil {
		return p, err
	}
	if p.id.Key == p.other.Key {
		return p, fault.InField(field, "is the identity itself")
	}
	return p, nil
}

// findPair reads the standings of both.
func (s *server) findPair(ctx context.Context, p linkPair) (id, other *person.Standing, err error) {
	both, err := person.FindAll(person.Reader(ctx, s.db), s.db, p.project, []person.Key{p.id.Key, p.other.Key})
	if err != nil {
		return nil, nil, err
	}
	return both[0], both[1], nil
}

// createLink answers POST /v1/people/{distinct_id}/links: another identity, with its
// person if a key has made that one, becomes the person's. As with consent, identities
// that the project has never seen are no different.
func (s *server) createLink(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	received := time.Now()
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	var body struct {
		DistinctID string `json:"distinct_id"`
	}
	if err := web.ReadJSON(w, r, maxLinkBody, &body); err != nil {
		return err
	}
	pair, err := s.identifyPair(ctx, caller, r.PathValue("distinct_id"), "distinct_id", body.DistinctID)
	if err != nil {
		return err
	}
	claim, err := s.newClaim(ctx, caller, pair, received)
	if err != nil {
		return err
	}
	linked, err := person.Connect(ctx, s.databases, pair.project, claim)
	if err != nil {
		return err
	}
	if err := s.settle(ctx, pair.project, linked); err != nil {
		return err
	}
	made, err := s.readLink(ctx, caller, pair)
	if err != nil {
		return err
	}
	web.WriteJSON(w, made)
	return nil
}

// newClaim is what a key says of two identities. The other one is linked to the person, and
// not to the identity that was named: a device to which others are linked would count as
// a user's.
func (s *server) newClaim(ctx context.Context, caller *access.Call, pair linkPair, received time.Time) (c person.Claim, err error) {
	p, err := project.Get(ctx, s.db, pair.project)
	if err != nil {
		return c, err
	}
	_, said := identity.Claim{Who: pair.other.DistinctID, Whose: pair.id.DistinctID}.Weigh(p.UserIDs)
	if identity.Judge(said, event.ByKey) == identity.Refused {
		return c, fault.InField("distinct_id", "a placeholder, which stands for nobody in particular: everybody who ever had it would be one person")
	}
	of, err := s.standing(ctx, pair.project, pair.id.Key)
	if err != nil {
		return c, err
	}
	whose := pair.id
	if !of.Alone() {
		whose = person.Named{Key: of.Person.Key, DistinctID: of.Person.Doc.DistinctID}
	}
	return person.Claim{Who: pair.other, Whose: whose, Said: said, Link: person.Link{
		By: event.ByKey.String(), Actor: caller.KeyHash, Received: received.UTC().Truncate(time.Microsecond),
	}}, nil
}

// readLink tells which link joins two identities.
func (s *server) readLink(ctx context.Context, caller *access.Call, pair linkPair) (Link, error) {
	id, other, err := s.findPair(ctx, pair)
	if err != nil {
		return Link{}, err
	}
	joint, _ := person.Joint(id, other)
	if joint == "" {
		return Link{}, fault.New(fault.Conflict, "the link has been taken back meanwhile")
	}
	found, err := s.standing(ctx, pair.project, joint)
	if err != nil {
		return Link{}, err
	}
	all, err := s.newLinks(ctx, subject{Standing: id, project: pair.project, privacy: caller.Role.Includes(project.Privacy)}, []person.Member{found.Own})
	if err != nil || len(all) != 1 {
		return Link{}, err
	}
	return all[0], nil
}

// deleteLink answers DELETE /v1/people/{distinct_id}/links/{other}: the link by which the
// two are one person is taken back for good.
func (s *server) deleteLink(ctx context.Context, caller *access.Call, w http.ResponseWriter, r *http.Request) error {
	if err := web.ParseQuery(r).Err(); err != nil {
		return err
	}
	pair, err := s.identifyPair(ctx, caller, r.PathValue("distinct_id"), "other", r.PathValue("other"))
	if err != nil {
		return err
	}
	at := time.Now().UTC().Truncate(time.Microsecond)
	cut, err := person.Disconnect(ctx, s.databases, pair.project, pair.id.Key, pair.other.Key, caller.KeyHash, at)
	if err != nil {
		return err
	}
	if err := s.settle(ctx, pair.project, cut); err != nil {
		return err
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// settleMargin is what is left of the time for an answer when settling ends.
const settleMargin = 5 * time.Second

// settle does what a change of a link leaves to be done, so that the answer says that all
// of it is done. Where the time is over first, the same request again goes on.
func (s *server) settle(ctx context.Context, project string, changed person.Linked) error {
	if changed.Pending == "" {
		return nil
	}
	// The client may go: then the link worker finishes it.
	if err := s.publishJob(ctx, project, "settle", changed.Pending); err != nil {
		return err
	}
	return join.Settle(ctx, s.databases, project, changed.Pending, func() bool {
		end, bounded := ctx.Deadline()
		return !bounded || time.Until(end) > settleMargin
	})
}
