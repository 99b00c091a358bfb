package incident

import (
	"context"
	"fmt"
	"net/http"
	"net/mail"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxContacts bounds the contacts of a project.
const maxContacts = 10

// contacts is who is told of incidents.
type contacts struct {
	Emails []string `json:"emails"`
}

// getContacts answers GET /v1/project/contacts.
func (s *server) getContacts(ctx context.Context, v viewer, w http.ResponseWriter, _ *http.Request) error {
	p, err := project.Get(ctx, s.db, v.Project)
	if err != nil {
		return err
	}
	web.WriteJSON(w, contacts{append([]string{}, p.Contacts...)})
	return nil
}

// putContacts answers PUT /v1/project/contacts.
func (s *server) putContacts(ctx context.Context, v viewer, w http.ResponseWriter, r *http.Request) error {
	var b contacts
	if err := web.ReadJSON(w, r, maxSmall, &b); err != nil {
		return err
	}
	if b.Emails == nil || len(b.Emails) > maxContacts {
		return fault.InField("emails", "must be a list of at most %d addresses", maxContacts)
	}
	for i, e := range b.Emails {
		if a, err := mail.ParseAddress(e); err != nil || a.Address != e || len(e) > 254 {
			return fault.InField(fmt.Sprintf("emails[%d]", i), "is not an e-mail address")
		}
	}
	if _, err := s.db.Doc("projects/"+v.Project).Update(ctx, []firestore.Update{{Path: "contacts", Value: b.Emails}}); err != nil {
		return fmt.Errorf("store contacts: %w", err)
	}
	web.WriteJSON(w, b)
	return nil
}
