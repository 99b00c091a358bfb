package consent_test

import (
	"net/http"
	"testing"

	"github.com/lethe-analytics/lethe/shared/consent"
)

func TestForRequest(t *testing.T) {
	t.Parallel()
	regional := map[string]consent.State{"DE": consent.Denied, "US": consent.Granted}
	for name, c := range map[string]struct {
		defaults consent.Defaults
		header   http.Header
		want     consent.State
	}{
		"nothing set":         {consent.Defaults{}, nil, consent.Granted},
		"opt-in":              {consent.Defaults{Default: consent.Denied}, nil, consent.Denied},
		"region":              {consent.Defaults{Regions: regional}, http.Header{consent.RegionHeader: {"de"}}, consent.Denied},
		"region over default": {consent.Defaults{Default: consent.Denied, Regions: regional}, http.Header{consent.RegionHeader: {"US"}}, consent.Granted},
		"other region":        {consent.Defaults{Default: consent.Denied, Regions: regional}, http.Header{consent.RegionHeader: {"FR"}}, consent.Denied},
		"GPC":                 {consent.Defaults{GPC: true, Regions: regional}, http.Header{"Sec-Gpc": {"1"}, consent.RegionHeader: {"US"}}, consent.Denied},
		"GPC, not heeded":     {consent.Defaults{DNT: true}, http.Header{"Sec-Gpc": {"1"}}, consent.Granted},
		"DNT":                 {consent.Defaults{DNT: true}, http.Header{"Dnt": {"1"}}, consent.Denied},
		"DNT that says no":    {consent.Defaults{DNT: true}, http.Header{"Dnt": {"0"}}, consent.Granted},
	} {
		if got := c.defaults.ForRequest(c.header); got != c.want {
			t.Errorf("%s: %s, want %s", name, got, c.want)
		}
	}
}

func TestAllows(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		person, unset consent.State
		want          bool
	}{
		{consent.Granted, consent.Denied, true}, {consent.Denied, consent.Granted, false},
		{consent.Unset, consent.Granted, true}, {"", consent.Granted, true},
		{consent.Unset, consent.Denied, false}, {"", consent.Denied, false},
	} {
		if got := consent.Allows(c.person, c.unset); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}
