package web

import (
	"net/http/httptest"
	"testing"
)

func TestAddressBehind(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		forwarded []string
		hops      int
		want      string
	}{
		{nil, 0, "192.0.2.1"}, // httptest's
		{[]string{"198.51.100.1"}, 0, "192.0.2.1"},
		{[]string{"198.51.100.1"}, 1, "198.51.100.1"},
		{[]string{"203.0.113.9, 198.51.100.1"}, 1, "198.51.100.1"},
		{[]string{"203.0.113.9", "198.51.100.1, 10.0.0.1"}, 2, "198.51.100.1"},
		{[]string{"::ffff:198.51.100.1,10.0.0.1"}, 2, "198.51.100.1"},
		{[]string{"fe80::1%eth0,10.0.0.1"}, 2, "fe80::1"},
		{[]string{"198.51.100.1"}, 2, "invalid IP"},
		{[]string{"ann, 10.0.0.1"}, 2, "invalid IP"},
		{nil, 1, "invalid IP"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		for _, v := range c.forwarded {
			r.Header.Add("X-Forwarded-For", v)
		}
		if got := addressBehind(r, c.hops).String(); got != c.want {
			t.Errorf("%q behind %d: %s, want %s", c.forwarded, c.hops, got, c.want)
		}
	}
}
