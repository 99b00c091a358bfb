package ingest_test

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/project"
)

// maxSDK is what a page has to load of the SDK at most, in bytes, compressed.
const maxSDK = 5 << 10

func TestServeSDK(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	for name, kind := range map[string]string{
		"sdk.js": "text/javascript; charset=utf-8", "sdk.mjs": "text/javascript; charset=utf-8", "sdk.d.ts": "application/typescript; charset=utf-8",
	} {
		file, err := os.ReadFile("sdk/" + name)
		if err != nil {
			t.Fatal(err)
		}
		get := func(method, encoding, tag string) answer {
			r := s.request(method, "/"+name, "", "")
			r.Header.Set("Origin", "https://shop.example")
			r.Header.Set("Accept-Encoding", encoding) // else the client would decode
			r.Header.Set("If-None-Match", tag)
			return s.do(r)
		}
		plain := get("GET", "identity", "")
		for header, want := range map[string]string{"Content-Type": kind, "X-Content-Type-Options": "nosniff", "Access-Control-Allow-Origin": "*",
			"Cross-Origin-Resource-Policy": "cross-origin", "Vary": "Accept-Encoding", "Content-Encoding": ""} {
			if got := plain.header.Get(header); got != want {
				t.Errorf("%s: %s %q, want %q", name, header, got, want)
			}
		}
		if plain.code != 200 || plain.body != strings.TrimSpace(string(file)) || !strings.Contains(plain.header.Get("Cache-Control"), "max-age=3600") {
			t.Errorf("%s: %d %v", name, plain.code, plain.header)
		}
		small := s.raw(t, "/"+name)
		if len(small) > maxSDK {
			t.Errorf("%s has %d bytes, over %d", name, len(small), maxSDK)
		}
		unzip, err := gzip.NewReader(bytes.NewReader(small))
		if err != nil {
			t.Fatal(err)
		}
		if whole, err := io.ReadAll(unzip); err != nil || !bytes.Equal(whole, file) {
			t.Errorf("%s, compressed: %v", name, err)
		}
		for encoding, tag := range map[string]string{"identity": plain.header.Get("ETag"), "gzip;q=0": plain.header.Get("ETag"), "br, gzip;q=0.5": get("GET", "gzip", "").header.Get("ETag")} {
			if a := get("GET", encoding, tag); a.code != http.StatusNotModified || a.body != "" || tag == "" {
				t.Errorf("%s, %s: %d", name, encoding, a.code)
			}
			if a := get("GET", encoding, `"other"`); a.code != http.StatusOK {
				t.Errorf("%s, %s: %d", name, encoding, a.code)
			}
		}
		if a := get("HEAD", "identity", ""); a.code != 200 || a.body != "" {
			t.Errorf("HEAD %s: %d", name, a.code)
		}
		if a := get("POST", "", ""); a.code != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d %v", name, a.code, a.header)
		}
	}
}

// raw is a file as it travels, compressed.
func (s *system) raw(t *testing.T, path string) []byte {
	t.Helper()
	r := s.request("GET", path, "", "")
	r.Header.Set("Accept-Encoding", "gzip")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil || res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatal(err, res.Header)
	}
	return b
}

// The SDK asks what holds for whoever has said nothing, and names nobody.
func TestAskDefault(t *testing.T) {
	t.Parallel()
	s := newSystem(t, func(p *project.Project) {
		p.Consent = consent.Defaults{Default: consent.Granted, Regions: map[string]consent.State{"DE": consent.Denied}, GPC: true}
	})
	s.atEdge("$device:a/b ☕", person.OptOut{State: consent.Denied, Own: consent.Denied})
	ask := func(set func(http.Header)) answer {
		r := s.request("GET", "/consent?token="+s.Token, "", "")
		set(r.Header)
		return s.do(r)
	}
	for want, set := range map[string]func(http.Header){
		`{"state":"unset","default":"granted"}`:  func(h http.Header) { h.Set("DNT", "1"); h.Set(consent.RegionHeader, "FR") },
		`{"state":"unset","default":"denied"}`:   func(h http.Header) { h.Set(consent.RegionHeader, "DE") },
		`{"state":"unset","default":"denied"} `:  func(h http.Header) { h.Set("Sec-GPC", "1") },
		`{"state":"denied","default":"granted"}`: func(h http.Header) { h.Set("Lethe-Distinct-Id", "$device:a%2Fb%20%E2%98%95") },
		`{"state":"unset","default":"granted"} `: func(h http.Header) { h.Set("Lethe-Distinct-Id", "bob") },
	} {
		if a := ask(set); a.code != 200 || a.body != strings.TrimSpace(want) || a.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d %s, want %s", a.code, a.body, want)
		}
	}
	c := config(s.Tenant)
	c.TrustRegion = false // nothing between writes the header: the client's own word is none
	s.serve(c)
	if a := ask(func(h http.Header) { h.Set(consent.RegionHeader, "DE") }); a.body != `{"state":"unset","default":"granted"}` {
		t.Errorf("a client chose its country: %s", a.body)
	}
	for _, bad := range []string{"%zz", "null"} {
		if a := ask(func(h http.Header) { h.Set("Lethe-Distinct-Id", bad) }); a.code != 400 {
			t.Errorf("%s: %d %s", bad, a.code, a.body)
		}
	}
	if a := s.do(s.request("GET", "/consent?distinct_id=&token="+s.Token, "", "")); a.code != 400 {
		t.Errorf("an empty distinct_id: %d %s", a.code, a.body)
	}
}
