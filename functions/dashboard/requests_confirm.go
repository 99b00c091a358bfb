package dashboard

import (
	"net/http"
	"strings"
)

// needsConfirmation is the state of a request of which it must be said who is meant.
const needsConfirmation = "needs_confirmation"

// hinted is a person who may be meant, and by what.
type hinted struct {
	DistinctID string   `json:"distinct_id"`
	Matched    []string `json:"matched"`
}

// attributes are types of identities by which persons are found, whose names are no words.
var attributes = map[string]string{"email": "e-mail address"}

// matched are the attributes that have matched, in words.
func (h *hinted) matched() string {
	var list []string
	for _, kind := range h.Matched {
		if w := attributes[kind]; w != "" {
			kind = w
		}
		list = append(list, strings.ReplaceAll(kind, "_", " "))
	}
	return strings.Join(list, ", ")
}

// hintedSection asks who is meant.
func (r *request) hintedSection(v *visit, k kind) (section, error) {
	s := section{Heading: "Who is meant?", Text: []string{
		"The request names somebody by an attribute. These persons have it only as the public SDK token has said, which anybody can use. Make sure who is meant, for instance by an answer from the address that you have on file. Nothing is done with these persons before it is confirmed."}}
	if r.Persons != nil && *r.Persons > 0 {
		s.Text = append(s.Text, "Beside them the request has found for certain: "+whole(int64(*r.Persons))+". To go on with these alone, confirm without choosing anybody.")
	}
	t := &table{ID: "hinted", Caption: "Persons who may be meant", Columns: []string{"distinct_id", "Matched by"}}
	options := []option{}
	for _, h := range r.Hinted {
		sealed, err := v.seal(h.DistinctID)
		if err != nil {
			return s, err
		}
		t.Rows = append(t.Rows, []any{anchor{h.DistinctID, personURL(sealed, "")}, text(h.matched())})
		options = append(options, option{Value: h.DistinctID, Name: h.DistinctID + " (" + h.matched() + ")"})
	}
	s.Table, s.Empty = t, "All who may have been meant are erased meanwhile."
	if r.MoreHinted > 0 {
		s.After = "… and " + whole(int64(r.MoreHinted)) + " more, which are not kept. To include one of them, make a request by the distinct_id."
	}
	if !v.may(http.MethodPost, "/v1/"+k.key+"/{id}/confirm") {
		return s, nil
	}
	here := requestURL(k.key, r.ID)
	confirm := &form{Do: "confirm", Action: here, Legend: "Confirm", Button: "Confirm and go on"}
	if len(options) > 0 {
		confirm.Fields = []field{{Name: "distinct_ids", Label: "These are meant", Kind: kindChecks, Options: options}}
	}
	if len(options) > 0 || r.Persons != nil && *r.Persons > 0 {
		s.Forms = append(s.Forms, confirm)
	}
	s.Forms = append(s.Forms, &form{Do: "refuse", Action: here, Legend: "Refuse", Button: "Refuse the request", Danger: true,
		Text: []string{"Nobody is meant. The request ends, and nothing is done."}})
	return s, nil
}
