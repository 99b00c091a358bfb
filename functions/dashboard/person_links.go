package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"
)

// The endpoints of links. The page of a person shows the first maxIdentities ids.
const (
	linksPath     = personPath + "/links"
	linkPath      = linksPath + "/{other}"
	maxIdentities = 50
)

// speakers are who may say something of a person, as pages show them.
var speakers = map[string]string{"token": "the SDK", "proof": "a proof", "key": "a key"}

// personLink says whose an id is. An id that is not known is told by its key.
type personLink struct {
	DistinctID  string    `json:"distinct_id"`
	Key         string    `json:"key"`
	To          string    `json:"to"`
	ToKey       string    `json:"to_key"`
	By          string    `json:"by"`
	Actor       string    `json:"actor"`
	Received    time.Time `json:"received"`
	Provisional bool      `json:"provisional"`
}

// speaker is who has said it.
func (l *personLink) speaker() any {
	who := speakers[l.By]
	if who != "" && l.Actor != "" {
		who += " (" + l.Actor + ")"
	}
	return text(who)
}

// state is whether the link is there, and what follows it.
func (l *personLink) state() any {
	switch {
	case l.Provisional:
		return "not confirmed"
	case l.To != "" || l.ToKey != "":
		return "linked"
	case l.By != "":
		return "link taken back"
	}
	return nil
}

// identities are all ids of the person that the API has told: first those that are linked
// to none, then the links that are not confirmed, then the others.
func (p *subject) identities() []personLink {
	var all []personLink
	for _, id := range p.facts.DistinctIDs {
		if !slices.ContainsFunc(p.facts.Links, func(l personLink) bool { return l.DistinctID == id }) {
			all = append(all, personLink{DistinctID: id})
		}
	}
	all = append(all, p.facts.Links...)
	rank := func(l personLink) int {
		switch {
		case l.Provisional:
			return 1
		case l.To == "" && l.ToKey == "":
			return 0
		}
		return 2
	}
	slices.SortStableFunc(all, func(a, b personLink) int { return rank(a) - rank(b) })
	return all
}

// provisional are the links that are not confirmed.
func (p *subject) provisional() []personLink {
	return slices.DeleteFunc(slices.Clone(p.facts.Links), func(l personLink) bool { return !l.Provisional })
}

// identitiesSection lists the ids of the person, and who has linked each.
func (p *subject) identitiesSection(v *visit) (section, error) {
	s := section{Heading: "Ids of the person", Text: []string{"A person is all ids that are linked to one another."}}
	all := p.identities()
	t := &table{ID: "identities", Caption: "Ids", Columns: []string{"Id", "State", "Linked to", "Linked by", "When (UTC)"}}
	for i := range all[:min(len(all), maxIdentities)] {
		l := &all[i]
		id, err := p.idCell(v, l.DistinctID, l.Key)
		if err != nil {
			return s, err
		}
		to, err := p.idCell(v, l.To, l.ToKey)
		if err != nil {
			return s, err
		}
		var when any
		if !l.Received.IsZero() {
			when = toTheSecond(l.Received)
		}
		t.Rows = append(t.Rows, []any{id, l.state(), to, l.speaker(), when})
	}
	s.Table = t
	if more := max(len(all), p.facts.Identities) - len(t.Rows); more > 0 {
		s.After = "… and " + whole(int64(more)) + " more"
	}
	if len(p.provisional()) > 0 {
		s.Text = append(s.Text, "A link that is not confirmed counts in reports alone. Requests, consent and the profile do not follow it before a key confirms it.")
	}
	if v.may(http.MethodDelete, linkPath) && p.canUnlink() {
		s.Forms = append(s.Forms, p.unlinkForm())
	}
	if v.may(http.MethodPost, linksPath) {
		if f := p.confirmLinkForm(); len(f.Fields[0].Options) > 0 {
			s.Forms = append(s.Forms, f)
		}
		s.Forms = append(s.Forms, p.linkForm())
	}
	return s, nil
}

// idCell is an id as a cell: another id leads to its own page.
func (p *subject) idCell(v *visit, id, key string) (any, error) {
	switch {
	case id == "" && key != "":
		return "not known (key " + key + ")", nil
	case id == "" || id == p.id:
		return text(id), nil
	}
	sealed, err := v.seal(id)
	return anchor{id, personURL(sealed, "")}, err
}

// linkOptions are the first links of some as options. The value names both ends.
func linkOptions(links []personLink) []option {
	var list []string
	for _, l := range links {
		if l.DistinctID != "" && l.To != "" && len(list) < 2*maxIdentities {
			ends, _ := json.Marshal([2]string{l.DistinctID, l.To}) // of strings, which never fails
			list = append(list, string(ends), l.DistinctID+" → "+l.To)
		}
	}
	return choice("", list...)
}

// linkEnds reads the value of an option.
func linkEnds(value string) (id, to string, ok bool) {
	var ends []string
	if json.Unmarshal([]byte(value), &ends) != nil || len(ends) != 2 {
		return "", "", false
	}
	return ends[0], ends[1], true
}

// canUnlink reports whether the person has a link that can be named.
func (p *subject) canUnlink() bool {
	return p.facts.Identities > 1 || len(linkOptions(p.facts.Links)) > 0
}

// unlinkForm offers the links to choose from, or of many asks for the id.
func (p *subject) unlinkForm() *form {
	f := &form{Do: "unlink", Action: personURL(p.sealed, ""), Legend: "Take back…", Folded: true, Button: "Take the link back",
		Text: []string{"The two are then not one person any more, and no SDK can make them one again. Each half keeps what was said under its own ids. Both keep what restricts: a denial, a restriction, a hold."}}
	if options := linkOptions(p.facts.Links); len(p.identities()) <= maxIdentities && len(options) > 0 {
		f.Fields = []field{{Name: "link", Label: "Link", Kind: kindChoice, Options: options}}
	} else {
		f.Fields = []field{{Name: "other", Label: "Id whose link is taken back", Required: true, Max: 255, Hint: "One of the person's ids, to the letter."}}
	}
	return f
}

func (p *subject) confirmLinkForm() *form {
	return &form{Do: "confirm-link", Action: personURL(p.sealed, ""), Legend: "Confirm a link…", Folded: true, Button: "Confirm the link",
		Text:   []string{"The id becomes the person's for all that is asked: requests, consent and the profile. Confirm it only if you know that both are the same person."},
		Fields: []field{{Name: "link", Label: "Link that is not confirmed", Kind: kindChoice, Options: linkOptions(p.provisional())}}}
}

func (p *subject) linkForm() *form {
	return &form{Do: "link", Action: personURL(p.sealed, ""), Legend: "Link another id…", Folded: true, Button: "Link the id",
		Text:   []string{"The other id becomes this person's, with all that is known of it, whatever an SDK has said. Link two users only if you know that they are the same person: the one gets the other's archive, and is erased with the other."},
		Fields: []field{{Name: "distinct_id", Label: "Other id", Required: true, Max: 255, Hint: "As the app sends it, to the letter."}}}
}

// link makes a link: the id becomes one of the person whose another id is.
func (v *visit) link(id, whose string) error {
	return v.api.send(v.ctx, http.MethodPost, pathOf(linksPath, whose), map[string]string{"distinct_id": id}, nil)
}

// unlink takes the link back by which two ids are one person.
func (v *visit) unlink(id, other string) error {
	return v.api.send(v.ctx, http.MethodDelete, strings.Replace(pathOf(linkPath, id), "{other}", url.PathEscape(other), 1), nil, nil)
}

// changeLink answers the forms of links.
func (v *visit) changeLink(p *subject, do string) error {
	if do == "link" {
		return v.did(p, p.linkForm(), "linked", v.link(v.form.Get("distinct_id"), p.id))
	}
	id, to, chosen := linkEnds(v.form.Get("link"))
	if !chosen {
		id, to = p.id, v.form.Get("other")
	}
	if do == "unlink" && to != "" {
		return v.didLink(p, p.unlinkForm, "unlinked", v.unlink(id, to))
	}
	if do == "confirm-link" && chosen {
		return v.didLink(p, p.confirmLinkForm, "link-confirmed", v.link(id, to))
	}
	return v.personRefused(p, p.linkForm(), wrong("link", "Choose a link."))
}

// didLink is did for a form that is made of what is known of the person.
func (v *visit) didLink(p *subject, makeForm func() *form, notice string, err error) error {
	if invalid(err) != nil {
		if err := p.readFacts(v); err != nil {
			return err
		}
	}
	return v.did(p, makeForm(), notice, err)
}
