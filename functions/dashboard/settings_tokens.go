package dashboard

import (
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

const tokensURL = "/settings/tokens"

func (v *visit) tokens() ([]credential, error) {
	var a struct{ Tokens []credential }
	err := v.api.get(v.ctx, "/v1/tokens", nil, &a)
	return a.Tokens, err
}

func tokenList(v *visit) error { return shower(showTokens).got(v) }

func showTokens(v *visit, status int, refused *form, first ...section) error {
	tokens, err := v.tokens()
	if err != nil {
		return err
	}
	t := &table{ID: "tokens", Caption: "SDK tokens", Columns: []string{"Name", "Made", "Origins", "Events a second", "Tokens that work (hash)"}}
	for _, k := range tokens {
		t.Rows = append(t.Rows, []any{anchor{k.title(), tokensURL + "/" + k.ID}, at(k.CreatedAt), text(strings.Join(k.Origins, ", ")), some(k.RateLimit), k.prefixes()})
	}
	page := v.settings("SDK tokens")
	page.add(section{Text: []string{"A token is public: an app's SDK has it. It can send events and nothing else. Choose a token to change, rotate or revoke it."}, Table: t, Empty: "No tokens yet. An SDK needs one to send events."},
		section{Forms: []*form{tokenForm("create", tokensURL, "New token…", "Make the token", &credential{})}})
	return v.end(status, page, refused, first)
}

// title is what the token is called.
func (c *credential) title() string {
	if c.Name == "" {
		return c.ID
	}
	return c.Name
}

func tokenForm(do, action, legend, button string, now *credential) *form {
	f := &form{Do: do, Action: action, Legend: legend, Folded: true, Button: button, Fields: []field{
		{Name: "name", Label: "Name (optional)", Max: 64, Value: now.Name, Placeholder: "web shop"},
		{Name: "origins", Label: "Only from pages of these origins (optional)", Kind: kindArea, Value: strings.Join(now.Origins, "\n"), Placeholder: "https://app.example", Hint: "One a line. Apps and servers send none, and are then refused."},
		{Name: "rate_limit", Label: "Events a second (optional)", Kind: "number", Max: 1000000, Hint: "What is more is refused for the moment. Empty: no limit."},
	}}
	if now.RateLimit > 0 {
		f.Fields[2].Value = strconv.Itoa(now.RateLimit)
	}
	return f
}

// tokenBody is what the form asks for.
func (v *visit) tokenBody() (map[string]any, error) {
	body := map[string]any{"name": v.form.Get("name"), "origins": lines(v.form.Get("origins"))}
	if text := v.form.Get("rate_limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil {
			return nil, wrong("rate_limit", "Enter a whole number, or nothing for no limit.")
		}
		body["rate_limit"] = n
	}
	return body, nil
}

// createToken answers POST /settings/tokens.
func createToken(v *visit) error {
	body, err := v.tokenBody()
	var made credential
	if err == nil {
		err = v.api.send(v.ctx, http.MethodPost, "/v1/tokens", body, &made)
	}
	if err != nil {
		return v.saved(showTokens, tokenForm("create", tokensURL, "New token…", "Make the token", &credential{}), err, "")
	}
	return showTokens(v, http.StatusOK, nil, once("The token "+made.Name, made.Token))
}

func (v *visit) token() (*credential, error) {
	tokens, err := v.tokens()
	if err != nil {
		return nil, err
	}
	return pick(v, tokens, credentialID)
}

func tokenPage(v *visit) error { return shower(showToken).got(v) }

const revokeToken = "Events that are sent with it are refused within a minute. It can not be undone."

func showToken(v *visit, status int, refused *form, first ...section) error {
	k, err := v.token()
	if err != nil {
		return err
	}
	page := v.settings(k.title())
	page.Back = &anchor{"All tokens", tokensURL}
	here := tokensURL + "/" + url.PathEscape(k.ID)
	page.add(section{Facts: []fact{{"Id", k.ID}, {"Made", at(k.CreatedAt)}, {"Rotated", at(k.RotatedAt)}, {"Origins", text(strings.Join(k.Origins, ", "))}, {"Events a second", some(k.RateLimit)}, {"Tokens that work (hash)", k.prefixes()}}},
		section{Forms: []*form{tokenForm("change", here, "Change…", "Save", k), rotateForm(k.ID, tokensURL), revokeForm(k.ID, tokensURL, revokeToken, "Yes, revoke this token")}})
	return v.end(status, page, refused, first)
}

// tokenAction answers POST /settings/tokens/{id}.
func tokenAction(v *visit) error {
	k, err := v.token()
	if err != nil {
		return err
	}
	at, here := "/v1/tokens/"+url.PathEscape(k.ID), tokensURL+"/"+url.PathEscape(k.ID)
	switch v.form.Get("do") {
	case "change":
		body, err := v.tokenBody()
		if err == nil {
			err = v.api.send(v.ctx, http.MethodPut, at, body, nil)
		}
		return v.saved(showToken, tokenForm("change", here, "Change…", "Save", k), err, here+"?notice=saved")
	case "rotate":
		var made credential
		if err := v.api.send(v.ctx, http.MethodPost, at+"/rotate", map[string]string{"overlap": v.form.Get("overlap")}, &made); err != nil {
			return v.saved(showToken, rotateForm(k.ID, tokensURL), err, "")
		}
		return showToken(v, http.StatusOK, nil, once("The new token", made.Token))
	case "revoke":
		err := v.sure()
		if err == nil {
			err = v.api.send(v.ctx, http.MethodDelete, at, nil, nil)
		}
		return v.saved(showToken, revokeForm(k.ID, tokensURL, revokeToken, "Yes, revoke this token"), err, tokensURL+"?notice=revoked")
	}
	return unknownForm()
}
