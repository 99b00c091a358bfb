package dashboard

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// credential is an API key or an SDK token, as the API lists it.
type credential struct {
	ID        string             `json:"id"`
	Name      string             `json:"name"`
	CreatedAt time.Time          `json:"created_at"`
	RotatedAt time.Time          `json:"rotated_at"`
	Secrets   []credentialSecret `json:"secrets"`
	// Of a key.
	Role      string    `json:"role"`
	Secret    string    `json:"secret"`
	ExpiresAt time.Time `json:"expires_at"`
	IPRanges  []string  `json:"ip_ranges"`
	// Of a token.
	Token     string   `json:"token"`
	Origins   []string `json:"origins"`
	RateLimit int      `json:"rate_limit"`
}

// credentialSecret is a secret that works, by which the access log names it.
type credentialSecret struct {
	Prefix    string    `json:"hash_prefix"`
	ExpiresAt time.Time `json:"expires_at"`
}

// prefixes are by which the access log names the secrets that work.
func (c *credential) prefixes() string {
	var list []string
	for _, s := range c.Secrets {
		if s.ExpiresAt.IsZero() {
			list = append(list, s.Prefix)
		} else {
			list = append(list, s.Prefix+" until "+s.ExpiresAt.UTC().Format("2006-01-02 15:04"))
		}
	}
	if len(list) == 0 {
		return "none: revoked or expired"
	}
	return strings.Join(list, ", ")
}

// pick finds the item that the path names.
func pick[T any](v *visit, list []T, id func(*T) string) (*T, error) {
	for i := range list {
		if id(&list[i]) == v.r.PathValue("id") {
			return &list[i], nil
		}
	}
	return nil, fault.New(fault.NotFound, "The project has nothing of this id. It may have been deleted.")
}

func credentialID(c *credential) string { return c.ID }

const keysURL = "/settings/keys"

func (v *visit) keys() ([]credential, error) {
	var a struct{ Keys []credential }
	err := v.api.get(v.ctx, "/v1/keys", nil, &a)
	return a.Keys, err
}

func keyList(v *visit) error { return shower(showKeys).got(v) }

func showKeys(v *visit, status int, refused *form, first ...section) error {
	keys, err := v.keys()
	if err != nil {
		return err
	}
	t := &table{ID: "keys", Caption: "API keys", Columns: []string{"Name", "Role", "Made", "Expires", "Addresses", "Secrets that work (hash)"}}
	for _, k := range keys {
		t.Rows = append(t.Rows, []any{anchor{k.title(), keysURL + "/" + k.ID}, k.Role, at(k.CreatedAt), at(k.ExpiresAt), text(strings.Join(k.IPRanges, ", ")), k.prefixes()})
	}
	page := v.settings("API keys")
	page.add(section{Text: []string{"A key reads and works for this project, by its role: reader sees reports and persons, privacy does requests as well, admin all of it. Choose a key to rotate or revoke it."}, Table: t, Empty: "No keys."},
		section{Forms: []*form{keyForm()}})
	return v.end(status, page, refused, first)
}

func keyForm() *form {
	return &form{Do: "create", Action: keysURL, Legend: "New key…", Folded: true, Button: "Make the key", Fields: []field{
		{Name: "name", Label: "Name", Required: true, Max: 64, Placeholder: "nightly report"},
		{Name: "role", Label: "Role", Kind: kindChoice, Options: choice("reader", "reader", "reader", "privacy", "privacy", "admin", "admin")},
		{Name: "expires_at", Label: "Last day (optional)", Kind: "date"},
		{Name: "ip_ranges", Label: "Only from these addresses (optional)", Kind: kindArea, Placeholder: "192.0.2.0/24", Hint: "Ranges (CIDR), one a line."},
	}}
}

// createKey answers POST /settings/keys. The secret is in this one answer.
func createKey(v *visit) error {
	body := map[string]any{"name": v.form.Get("name"), "role": v.form.Get("role"), "ip_ranges": lines(v.form.Get("ip_ranges"))}
	if day := v.form.Get("expires_at"); day != "" {
		body["expires_at"] = day + "T23:59:59Z"
	}
	var made credential
	if err := v.api.send(v.ctx, http.MethodPost, "/v1/keys", body, &made); err != nil {
		return v.saved(showKeys, keyForm(), err, "")
	}
	return showKeys(v, http.StatusOK, nil, once("The secret of the key "+made.Name, made.Secret))
}

// once is the section of a secret that is not shown again.
func once(name, value string) section {
	return section{Secret: &secret{name, value, "This is the only time that it is shown. Copy it to where it is kept safely; reloading this page would make another."}}
}

func (v *visit) key() (*credential, error) {
	keys, err := v.keys()
	if err != nil {
		return nil, err
	}
	return pick(v, keys, credentialID)
}

func keyPage(v *visit) error { return shower(showKey).got(v) }

func showKey(v *visit, status int, refused *form, first ...section) error {
	k, err := v.key()
	if err != nil {
		return err
	}
	page := v.settings(k.title())
	page.Back = &anchor{"All keys", keysURL}
	page.add(section{Facts: []fact{{"Id", k.ID}, {"Role", k.Role}, {"Made", at(k.CreatedAt)}, {"Rotated", at(k.RotatedAt)}, {"Expires", at(k.ExpiresAt)},
		{"Addresses", text(strings.Join(k.IPRanges, ", "))}, {"Secrets that work (hash)", k.prefixes()}}},
		section{Forms: []*form{rotateForm(k.ID, keysURL), revokeForm(k.ID, keysURL, "Whoever uses it is refused from now on, sessions that were begun with it included. It can not be undone.", "Yes, revoke this key")}})
	return v.end(status, page, refused, first)
}

func rotateForm(id, list string) *form {
	return &form{Do: "rotate", Action: list + "/" + url.PathEscape(id), Legend: "Rotate…", Folded: true, Button: "Rotate",
		Text:   []string{"Makes a new secret. The old one goes on working for a time, so that it can be replaced everywhere."},
		Fields: []field{{Name: "overlap", Label: "The old one works for", Kind: kindChoice, Options: choice("24h", "0s", "no longer", "1h", "an hour", "24h", "a day", "168h", "a week")}}}
}

func revokeForm(id, list, text, sure string) *form {
	return &form{Do: "revoke", Action: list + "/" + url.PathEscape(id), Legend: "Revoke…", Folded: true, Button: "Revoke", Danger: true, Text: []string{text}, Fields: []field{sureField(sure)}}
}

// keyAction answers POST /settings/keys/{id}.
func keyAction(v *visit) error {
	k, err := v.key()
	if err != nil {
		return err
	}
	at := "/v1/keys/" + url.PathEscape(k.ID)
	switch v.form.Get("do") {
	case "rotate":
		var made credential
		if err := v.api.send(v.ctx, http.MethodPost, at+"/rotate", map[string]string{"overlap": v.form.Get("overlap")}, &made); err != nil {
			return v.saved(showKey, rotateForm(k.ID, keysURL), err, "")
		}
		return showKey(v, http.StatusOK, nil, once("The new secret", made.Secret))
	case "revoke":
		err := v.sure()
		if err == nil {
			err = v.api.send(v.ctx, http.MethodDelete, at, nil, nil)
		}
		return v.saved(showKey, revokeForm(k.ID, keysURL, "", "Yes, revoke this key"), err, keysURL+"?notice=revoked")
	}
	return unknownForm()
}
