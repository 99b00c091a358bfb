package dashboard

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// The endpoints of one person; pathOf fills the person in.
const (
	personPath      = "/v1/people/{distinct_id}"
	eventsPath      = personPath + "/events"
	consentPath     = personPath + "/consent"
	restrictionPath = personPath + "/restriction"
	holdPath        = "/v1/retention/holds/{distinct_id}"
)

// subject is the person that a page is of.
type subject struct {
	id     string // the distinct_id
	sealed string // the same, as it stands in a URL
	facts  struct {
		DistinctIDs []string                   `json:"distinct_ids"`
		Identities  int                        `json:"identities"`
		FirstSeen   time.Time                  `json:"first_seen"`
		Profile     map[string]json.RawMessage `json:"profile"`
		NoRoom      *noRoom                    `json:"no_room"`
		Consent     struct{ State string }     `json:"consent"`
		Links       []personLink               `json:"links"`
		Refused     []refusedStatement         `json:"refused"`
	}
	unknown     bool // to the project, or to this caller
	timeline    timeline
	consent     consentHistory
	restriction hold
	held        hold
	refused     map[string]string // of each endpoint that the API refused: why
}

type timeline struct {
	Events []struct {
		Event      string                     `json:"event"`
		Time       time.Time                  `json:"time"`
		Properties map[string]json.RawMessage `json:"properties"`
	} `json:"events"`
	NextCursor string `json:"next_cursor"`
}

type statement struct {
	State         string    `json:"state"`
	Basis         string    `json:"basis"`
	NoticeVersion string    `json:"notice_version"`
	Source        string    `json:"source"`
	At            time.Time `json:"at"`
	By            string    `json:"by"`
	DistinctID    string    `json:"distinct_id"` // under which it was said
}

type consentHistory struct {
	statement
	History    []statement `json:"history"`
	NextCursor string      `json:"next_cursor"`
}

// hold is a restriction or a legal hold.
type hold struct {
	Restricted bool      `json:"restricted"`
	Held       bool      `json:"held"`
	Since      time.Time `json:"since"`
	Reason     string    `json:"reason"`
}

// pathOf is the path of an endpoint of a person.
func pathOf(pattern, id string) string {
	return strings.Replace(pattern, "{distinct_id}", url.PathEscape(id), 1)
}

// personURL is the person's page.
func personURL(sealed, notice string) string {
	q := url.Values{"p": {sealed}}
	if notice != "" {
		q.Set("notice", notice)
	}
	return "/person?" + q.Encode()
}

// timelinePage is how many events are on a page.
const timelinePage = "50"

// personPage answers GET /person.
func (s *server) personPage(v *visit) error {
	if v.query.Get("p") == "" {
		return v.show(sheet{Title: "Person", Sections: []section{searchSection(nil)}})
	}
	p, err := v.subject()
	if err != nil {
		return err
	}
	return v.showPerson(http.StatusOK, p, nil)
}

// subject reads who the person of the URL is.
func (v *visit) subject() (*subject, error) {
	id, err := v.unseal(v.query.Get("p"))
	return &subject{id: id, sealed: v.query.Get("p"), refused: map[string]string{}}, err
}

// read asks for all that the visitor may know of the person.
func (p *subject) read(v *visit) error {
	g, ctx := errgroup.WithContext(v.ctx)
	errs := make([]error, 5)
	ask := func(n int, pattern string, q url.Values, into any) {
		if v.may(http.MethodGet, pattern) {
			g.Go(func() error {
				errs[n] = v.api.get(ctx, pathOf(pattern, p.id), q, into)
				return nil
			})
		}
	}
	q := url.Values{"limit": {timelinePage}}
	for _, name := range []string{"from", "to", "cursor"} {
		if text := v.query.Get(name); text != "" {
			q.Set(name, text)
		}
	}
	past := url.Values{}
	if cursor := v.query.Get("before"); cursor != "" {
		past.Set("cursor", cursor)
	}
	ask(0, personPath, nil, &p.facts)
	ask(1, eventsPath, q, &p.timeline)
	ask(2, consentPath, past, &p.consent)
	ask(3, restrictionPath, nil, &p.restriction)
	ask(4, holdPath, nil, &p.held)
	_ = g.Wait()
	for n, pattern := range []string{personPath, eventsPath, consentPath, restrictionPath, holdPath} {
		refused := invalid(errs[n])
		switch {
		case errs[n] == nil:
		case refused != nil && refused.Status == http.StatusNotFound:
			p.unknown = true
		case forbidden(errs[n]):
			why, _ := errors.AsType[*problem](errs[n])
			p.refused[pattern] = cmp.Or(why.Detail, why.Title)
		case refused != nil && pattern == eventsPath: // of the days
			p.refused[pattern] = cmp.Or(refused.Detail, refused.Title)
		default:
			return errs[n]
		}
	}
	return nil
}

// readFacts asks for what a request for the person would cover. Of a person who is not
// known, or whom the visitor may not see, there is nothing to tell.
func (p *subject) readFacts(v *visit) error {
	if !v.may(http.MethodGet, personPath) {
		return nil
	}
	err := v.api.get(v.ctx, pathOf(personPath, p.id), nil, &p.facts)
	if refused := invalid(err); forbidden(err) || refused != nil && refused.Status == http.StatusNotFound {
		return nil
	}
	return err
}

// showPerson answers with the person's page; refused is the form that was sent, if the
// API did not take it.
func (v *visit) showPerson(status int, p *subject, refused *form) error {
	if err := p.read(v); err != nil {
		return err
	}
	s := sheet{Title: "Person"}
	s.add(searchSection(nil), p.whoSection(v))
	s.add(p.rightsSection(v))
	if !p.unknown && p.refused[personPath] == "" {
		ids, err := p.identitiesSection(v)
		if err != nil {
			return err
		}
		s.add(ids)
		s.add(p.noEffectSections()...)
	}
	if !p.unknown {
		s.add(p.profileSection())
	}
	if v.may(http.MethodGet, consentPath) {
		s.add(p.consentSection(v))
	}
	if v.may(http.MethodGet, restrictionPath) {
		s.add(p.restrictionSection(v))
	}
	if v.may(http.MethodGet, holdPath) {
		s.add(p.holdSection(v))
	}
	if !p.unknown {
		s.add(p.timelineSection(v))
	}
	if refused != nil {
		s.put(refused)
	}
	return v.showAs(status, s)
}

// put replaces the form of the same name by one that has what was sent. A page that has
// no such form any more says first why it was refused.
func (s *sheet) put(refused *form) {
	for i := range s.Sections {
		for j, f := range s.Sections[i].Forms {
			if f.Do != refused.Do {
				continue
			}
			if refused.Button == "" { // nothing was typed
				f.Problem = refused.Problem
				return
			}
			refused.Folded, refused.Text = f.Folded, f.Text
			s.Sections[i].Forms[j] = refused
			return
		}
	}
	s.Sections = slices.Insert(s.Sections, 0, section{Warning: cmp.Or(refused.Problem.Detail, refused.Problem.Title)})
}

// searchSection is the form by which a person is found.
func searchSection(f *form) section {
	if f == nil {
		f = searchForm()
	}
	return section{Forms: []*form{f}}
}

func searchForm() *form {
	return &form{Do: "find", Action: "/person", Button: "Look up", Row: true, Fields: []field{
		{Name: "distinct_id", Label: "distinct_id", Required: true, Max: 255, Hint: "As the app sends it, to the letter. Each look-up stands in the access log."},
	}}
}
