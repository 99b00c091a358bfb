package dashboard

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
)

const consentURL = "/settings/consent"

func consentSettings(v *visit) error { return shower(showConsent).got(v) }

func showConsent(v *visit, status int, refused *form, first ...section) error {
	p, err := v.project()
	if err != nil {
		return err
	}
	var past struct {
		Versions []struct {
			Version int              `json:"version"`
			Consent consent.Defaults `json:"consent"`
			By      string           `json:"by"`
			At      time.Time        `json:"at"`
		} `json:"versions"`
		NextCursor string `json:"next_cursor"`
	}
	q := url.Values{}
	if cursor := v.query.Get("cursor"); cursor != "" {
		q.Set("cursor", cursor)
	}
	if err := v.api.get(v.ctx, "/v1/project/settings/history", q, &past); err != nil {
		return err
	}
	var now consent.Defaults
	if err := json.Unmarshal(p.Settings["consent"], &now); err != nil {
		return fmt.Errorf("decode the settings of consent: %w", err)
	}
	page := v.settings("Consent")
	page.add(section{Text: []string{"What holds for persons who have said nothing. A person's own word goes before all of this."}, Forms: []*form{consentDefaults(now, string(p.Settings["version"]))}})
	t := &table{ID: "versions", Caption: "Versions of the settings, the newest first", Columns: []string{"Version", "Default", "Countries", "GPC", "DNT", "By key", "Time"}}
	for _, p := range past.Versions {
		t.Rows = append(t.Rows, []any{p.Version, string(p.Consent.Default), text(strings.Join(countries(p.Consent.Regions), ", ")), heeded(p.Consent.GPC), heeded(p.Consent.DNT), text(p.By), at(p.At)})
	}
	history := section{Heading: "History", Table: t, Empty: "The settings are as the project was made."}
	if past.NextCursor != "" {
		history.More = &anchor{"Older versions", v.again("cursor", past.NextCursor)}
	}
	page.add(history)
	return v.end(status, page, refused, first)
}

func heeded(is bool) string {
	if is {
		return "heeded"
	}
	return "ignored"
}

// countries are the rules by country, as the form has them.
func countries(regions map[string]consent.State) (list []string) {
	for _, code := range slices.Sorted(maps.Keys(regions)) {
		list = append(list, code+" "+string(regions[code]))
	}
	return list
}

func consentDefaults(d consent.Defaults, version string) *form {
	tick := func(set bool) string {
		if set {
			return on
		}
		return ""
	}
	return &form{Do: "consent", Action: consentURL, Button: "Save", Fields: []field{
		{Name: "version", Kind: "hidden", Value: version},
		{Name: "consent.default", Label: "Who has said nothing", Kind: kindChoice, Options: choice(string(d.Default), "granted", "counts as granted (opt-out)", "denied", "counts as denied (opt-in)")},
		{Name: "consent.regions", Label: "Other defaults by country", Kind: kindArea, Value: strings.Join(countries(d.Regions), "\n"), Placeholder: "DE denied\nUS granted", Hint: "One a line: the country in two capital letters (ISO 3166-1), and granted or denied."},
		{Name: "consent.gpc", Label: "Global Privacy Control (Sec-GPC: 1) counts as denied", Kind: "checkbox", Value: tick(d.GPC)},
		{Name: "consent.dnt", Label: "Do Not Track (DNT: 1) counts as denied", Kind: "checkbox", Value: tick(d.DNT)},
	}}
}

// consentAction answers POST /settings/consent.
func consentAction(v *visit) error {
	d := consent.Defaults{Default: consent.State(v.form.Get("consent.default")), Regions: map[string]consent.State{},
		GPC: v.form.Get("consent.gpc") == on, DNT: v.form.Get("consent.dnt") == on}
	f := consentDefaults(d, v.form.Get("version"))
	for i, line := range lines(v.form.Get("consent.regions")) {
		words := strings.Fields(line)
		if len(words) != 2 || d.Regions[words[0]] != "" {
			return v.saved(showConsent, f, wrong("consent.regions", "Line "+strconv.Itoa(i+1)+": write a country, once, and granted or denied: DE denied"), "")
		}
		d.Regions[words[0]] = consent.State(words[1])
	}
	return v.saved(showConsent, f, v.changeSettings("consent", d), consentURL+"?notice=saved")
}
