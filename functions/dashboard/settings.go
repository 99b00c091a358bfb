package dashboard

import (
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// settingsTabs are the parts of the settings, in order.
var settingsTabs = []link{
	{Name: "Project", Path: "/settings"}, {Name: "Retention", Path: "/settings/retention"}, {Name: "Consent", Path: "/settings/consent"},
	{Name: "User ids", Path: "/settings/identity"},
	{Name: "API keys", Path: "/settings/keys"}, {Name: "SDK tokens", Path: "/settings/tokens"}, {Name: "Webhooks", Path: "/settings/webhooks"},
	{Name: "Agreement", Path: "/settings/agreement"}, {Name: "Staff access", Path: "/settings/staff"}, {Name: "Contacts", Path: "/settings/contacts"},
}

// settingsPages are the pages of the settings; only the first is in the navigation.
func (s *server) settingsPages() []page {
	return []page{
		{path: "/settings/evidence", get: evidence},
		{path: "/settings/retention", get: retentionSettings, post: retentionAction},
		{path: "/settings/consent", get: consentSettings, post: consentAction},
		{path: identityURL, get: identitySettings, post: identityAction},
		{path: "/settings/keys", get: keyList, post: createKey},
		{path: "/settings/keys/{id}", get: keyPage, post: keyAction},
		{path: "/settings/tokens", get: tokenList, post: createToken},
		{path: "/settings/tokens/{id}", get: tokenPage, post: tokenAction},
		{path: "/settings/webhooks", get: webhookList, post: createWebhook},
		{path: "/settings/webhooks/{id}", get: webhookPage, post: webhookAction},
		{path: "/settings/agreement", get: agreementPage, post: agreementAction},
		{path: "/settings/staff", get: staffAccessPage, post: staffAccessAction},
		{path: "/settings/staff/{id}", get: grantPage, post: grantAction},
		{path: "/settings/contacts", get: contactsPage, post: contactsAction},
	}
}

// settings begins a page of the settings.
func (v *visit) settings(title string) sheet {
	s := sheet{Title: title}
	for _, t := range settingsTabs {
		t.Here = v.r.URL.Path == t.Path || t.Path != "/settings" && strings.HasPrefix(v.r.URL.Path, t.Path+"/")
		s.Tabs = append(s.Tabs, t)
	}
	return s
}

// shower answers with a page of the settings; the refused form takes the place of the one
// of its name, and sections that are told once stand first.
type shower func(v *visit, status int, refused *form, first ...section) error

// got is the GET of such a page.
func (show shower) got(v *visit) error { return show(v, http.StatusOK, nil) }

// saved goes to a page once a call has been made, or back to the form that the API refused.
func (v *visit) saved(show shower, f *form, err error, to string) error {
	if p := invalid(err); p != nil {
		f.refused(v.form, p)
		return show(v, p.Status, f)
	}
	if err != nil {
		return err
	}
	return v.redirect(to)
}

// end answers with a page of the settings.
func (v *visit) end(status int, s sheet, refused *form, first []section) error {
	if refused != nil {
		s.put(refused)
	}
	s.Sections = append(first, s.Sections...)
	return v.showAs(status, s)
}

// unknownForm is the answer to a form that no page has.
func unknownForm() error { return fault.New(fault.Invalid, "this form is not known; reload the page") }

// sureField is the box without which nothing is destroyed.
func sureField(label string) field {
	return field{Name: "sure", Kind: "checkbox", Label: label, Required: true}
}

// sure is nil if the box is set.
func (v *visit) sure() error {
	if v.form.Get("sure") == on {
		return nil
	}
	return wrong("sure", "Set the box if you are sure.")
}

// projectAnswer is what GET /v1/project answers.
type projectAnswer struct {
	ID        string                     `json:"id"`
	Name      string                     `json:"name"`
	CreatedAt time.Time                  `json:"created_at"`
	Settings  map[string]json.RawMessage `json:"settings"`
	// IdentitySecrets are those that work, the newest first.
	IdentitySecrets []credentialSecret `json:"identity_secrets"`
	Retention       struct {
		Days *int `json:"retention_days"`
	} `json:"retention"`
	DPA dpaState `json:"dpa"`
}

// project reads the project that the settings are of.
func (v *visit) project() (p projectAnswer, err error) {
	err = v.api.get(v.ctx, "/v1/project", nil, &p)
	return p, err
}

// changeSettings changes one of the settings that have versions. The others stay as they
// are; that nobody has changed them meanwhile the API sees by the form's version.
func (v *visit) changeSettings(name string, value any) error {
	p, err := v.project()
	if err != nil {
		return err
	}
	version, err := strconv.Atoi(v.form.Get("version"))
	if err != nil {
		return unknownForm()
	}
	body := map[string]any{"version": version}
	for _, other := range []string{"consent", "purposes", "data_regions", "user_ids"} {
		body[other] = p.Settings[other]
	}
	body[name] = value
	return v.api.send(v.ctx, http.MethodPut, "/v1/project/settings", body, nil)
}

// settingsPage answers GET /settings.
func (s *server) settingsPage(v *visit) error {
	p, err := v.project()
	if err != nil {
		return err
	}
	page := v.settings("Settings")
	facts := []fact{{"Project", p.ID}, {"Name", p.Name}, {"Made", at(p.CreatedAt)}, {"Events are kept", days(p.Retention.Days)}}
	first := section{Facts: append(facts, fact{"Agreement (DPA)", p.DPA.words()})}
	if !p.DPA.InForce {
		first.Warning = "Events are refused: the data processing agreement is not accepted. Accept it under Agreement."
	}
	page.add(first, section{Heading: "Evidence for an auditor",
		Text:    []string{"All that is on record of this project as one signed bundle: agreements, settings, keys, staff and their grants, requests and how long each took. It holds no personal data of your app's users."},
		Buttons: []anchor{{"Download the evidence, signed", "/settings/evidence?format=jws"}},
		Links:   []anchor{{"The same to read, as JSON", "/settings/evidence?format=json"}},
		Code:    "go run ./scripts/verify-receipt -jwks " + strings.TrimSuffix(s.config.PublicURL, "/") + "/.well-known/jwks.json evidence.jws",
	})
	return v.show(page)
}

// days is a retention in words.
func days(n *int) string {
	if n == nil {
		return "without limit"
	}
	if *n == 1 {
		return "1 day"
	}
	return whole(int64(*n)) + " days"
}

// evidence answers GET /settings/evidence: a file.
func evidence(v *visit) error {
	format := "jws"
	if v.query.Get("format") == "json" {
		format = "json"
	}
	resp, err := v.api.do(v.ctx, http.MethodGet, "/v1/evidence?"+url.Values{"format": {format}}.Encode(), nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	v.w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
	v.w.Header().Set("Content-Disposition", `attachment; filename="evidence.`+format+`"`)
	if _, err := io.Copy(v.w, resp.Body); err != nil {
		panic(http.ErrAbortHandler) // a file that is cut off must not look whole
	}
	return nil
}
