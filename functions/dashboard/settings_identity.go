package dashboard

import (
	"encoding/json"
	"fmt"
	"net/http"
)

const identityURL = "/settings/identity"

const secretPath = "/v1/project/identity-secret"

func identitySettings(v *visit) error { return shower(showIdentity).got(v) }

func showIdentity(v *visit, status int, refused *form, first ...section) error {
	p, err := v.project()
	if err != nil {
		return err
	}
	var now string
	if err := json.Unmarshal(p.Settings["user_ids"], &now); err != nil {
		return fmt.Errorf("decode the settings of user ids: %w", err)
	}
	page := v.settings("User ids")
	page.add(section{Heading: "What user ids look like", Forms: []*form{userIDsForm(now, string(p.Settings["version"]))}})
	t := &table{ID: "identity-secrets", Caption: "Identity secrets that work", Columns: []string{"Secret (hash)", "Works until"}}
	for _, s := range p.IdentitySecrets {
		t.Rows = append(t.Rows, []any{s.Prefix, at(s.ExpiresAt)})
	}
	secrets := section{Heading: "Identity secrets", Table: t, Empty: "None: nothing proves an identity.", Links: []anchor{{"How to prove an identity", "/guides/identity"}},
		Text:  []string{"With a secret, your app's server proves to Lethe who somebody is. What comes with a proof counts for more than what the public token says. The secret stays on your server."},
		Forms: []*form{newSecretForm()}}
	if len(p.IdentitySecrets) > 0 {
		secrets.Forms = append(secrets.Forms, endSecretsForm())
	}
	page.add(secrets)
	return v.end(status, page, refused, first)
}

func userIDsForm(now, version string) *form {
	return &form{Do: "user-ids", Action: identityURL, Button: "Save", Fields: []field{
		{Name: "version", Kind: "hidden", Value: version},
		{Name: "user_ids", Label: "The app's own user ids are", Kind: kindChoice, Options: choice(now, "", "not said", "uuid", "UUIDs", "other", "never UUIDs"),
			Hint: "SDKs name devices by UUIDs: if your user ids are UUIDs as well, a bare UUID is no device; if they never are, it always is; and as long as it is not said, a link of a bare UUID waits to be confirmed."},
	}}
}

func newSecretForm() *form {
	f := rotateForm("", identityURL)
	f.Do, f.Action, f.Legend, f.Button = "secret", identityURL, "New secret…", "Make the secret"
	f.Text = []string{"A secret that is there goes on working for a time, so that it can be replaced everywhere. Two can work at a time."}
	return f
}

func endSecretsForm() *form {
	return &form{Do: "end-secrets", Action: identityURL, Legend: "End…", Folded: true, Button: "End all secrets", Danger: true,
		Text:   []string{"No proof that was made with them counts any more. It can not be undone."},
		Fields: []field{sureField("Yes, end all identity secrets")}}
}

// identityAction answers POST /settings/identity. A secret is in this one answer.
func identityAction(v *visit) error {
	switch v.form.Get("do") {
	case "user-ids":
		is := v.form.Get("user_ids")
		err := v.changeSettings("user_ids", is)
		return v.saved(showIdentity, userIDsForm(is, v.form.Get("version")), err, identityURL+"?notice=saved")
	case "secret":
		var made struct{ Secret string }
		if err := v.api.send(v.ctx, http.MethodPost, secretPath, map[string]string{"overlap": v.form.Get("overlap")}, &made); err != nil {
			return v.saved(showIdentity, newSecretForm(), err, "")
		}
		return showIdentity(v, http.StatusOK, nil, once("The new identity secret", made.Secret))
	case "end-secrets":
		err := v.sure()
		if err == nil {
			err = v.api.send(v.ctx, http.MethodDelete, secretPath, nil, nil)
		}
		return v.saved(showIdentity, endSecretsForm(), err, identityURL+"?notice=secrets-ended")
	}
	return unknownForm()
}
