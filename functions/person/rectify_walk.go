package person

import (
	"context"
	"slices"
	"time"

	"github.com/lethe-analytics/lethe/shared/amend"
	"github.com/lethe-analytics/lethe/shared/person"
)

// begin notes, once, whom the rectification covers: the identity that was named, or all of
// the person, as links stood when it was asked for.
func (j *rectifyJob) begin(ctx context.Context) error {
	if j.pos.Top != "" {
		return nil
	}
	s, err := person.Find(person.Reader(ctx, j.db), j.db, j.slice.Project, j.named)
	if err != nil {
		return err
	}
	top := s.Own
	j.pos.Whole = s.CoversPerson(j.params.Scope == scopePerson)
	for j.pos.Whole && top.Doc.Parent() != "" && j.covers(&top) {
		if top, err = j.readIdentity(ctx, top.Doc.Parent()); err != nil {
			return err
		}
	}
	j.pos.Top, j.pos.At = top.Key, time.Now().UTC().Truncate(time.Millisecond)
	return nil
}

// covers reports whether the link of an identity makes it one of those whom the
// rectification covers. A link that was received after the asking does not.
func (j *rectifyJob) covers(m *person.Member) bool {
	return person.FollowFirm(m) && !m.Doc.Link.Received.After(j.slice.Created)
}

// rectifyMembers goes on with the identities that are covered; done is false when the time
// is over. A link that was received before and comes now brings the amendments of the
// person along (person.Connect). Another that is moved from one place to another meanwhile
// could be missed: so it goes through all of them again until it finds nobody new.
func (j *rectifyJob) rectifyMembers(ctx context.Context) (done bool, err error) {
	for again := true; again; {
		if done, err := j.goThroughMembers(ctx); err != nil || !done {
			return false, err
		}
		again = j.pos.Pass == 0 || j.pos.Found
		j.pos.Behind, j.pos.Found, j.pos.Pass = "", false, j.pos.Pass+1
	}
	return j.rectifyNamed(ctx)
}

// amendedPage is how many identities are read at a time with their amendments: these are
// 20 MB at most.
const amendedPage = 300

// goThroughMembers is one pass. The first one sees to all, the others to those whom the
// passes before have not found.
func (j *rectifyJob) goThroughMembers(ctx context.Context) (done bool, err error) {
	if j.pos.Member != "" { // in hand when the slice before ended
		own, err := j.readIdentity(ctx, j.pos.Member)
		if err != nil {
			return false, err
		}
		if done, err := j.rectifyMember(ctx, person.Step{Member: own, At: j.pos.Here}); err != nil || !done {
			return false, err
		}
	}
	top, err := j.readIdentity(ctx, j.pos.Top)
	if err != nil {
		return false, err
	}
	top.Doc.Joined = top.Doc.Joined && j.pos.Whole
	way := person.Walk{Of: top, After: j.pos.Behind, Follow: j.covers, Page: amendedPage, Fields: []string{"amendments"}}
	for step, err := range way.Steps(ctx, j.db, j.slice.Project) {
		if err != nil {
			return false, err
		}
		if j.pos.Pass > 0 && j.isAmended(&step.Doc) {
			j.pos.Behind = step.At
		} else if done, err := j.rectifyMember(ctx, step); err != nil || !done {
			return false, err
		}
		if !j.slice.Time() {
			return false, nil
		}
	}
	return true, nil
}

// rectifyNamed sees to the identity that was named, whose link may have been taken back
// meanwhile.
func (j *rectifyJob) rectifyNamed(ctx context.Context) (done bool, err error) {
	own, err := j.readIdentity(ctx, j.named)
	if err != nil || j.isAmended(&own.Doc) {
		return err == nil, err
	}
	return j.rectifyMember(ctx, person.Step{Member: own, At: j.pos.Behind})
}

func (j *rectifyJob) readIdentity(ctx context.Context, key person.Key) (person.Member, error) {
	s, err := person.Find(person.Reader(ctx, j.db), j.db, j.slice.Project, key)
	if err != nil {
		return person.Member{}, err
	}
	return s.Own, nil
}

// isAmended reports whether the request's amendments stand on a document.
func (j *rectifyJob) isAmended(doc *person.Doc) bool { return j.findAmendments(doc) >= 0 }

// findAmendments is where the request's amendments begin; -1: nowhere.
func (j *rectifyJob) findAmendments(doc *person.Doc) int {
	return slices.IndexFunc(doc.Amendments, func(a amend.Amendment) bool { return a.Request == j.slice.ID })
}
