package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"time"
)

// A log that is longer than an answer may last is read in several.
func TestCutOff(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.write(300)
	w.seal()
	api, err := url.Parse(w.url)
	if err != nil {
		t.Fatal(err)
	}
	var answers, cut atomic.Int64 // so many are still to be cut off
	cut.Store(100)
	proxy := httputil.NewSingleHostReverseProxy(api)
	proxy.ErrorLog = log.New(io.Discard, "", 0)
	proxy.ModifyResponse = func(r *http.Response) error {
		if strings.Contains(r.Request.URL.RawQuery, "ndjson") && cut.Add(-1) >= 0 {
			answers.Add(1)
			r.Body = struct {
				io.Reader
				io.Closer
			}{io.MultiReader(io.LimitReader(r.Body, 40_000), iotest.ErrReader(io.ErrUnexpectedEOF)), r.Body}
		}
		return nil
	}
	server := httptest.NewServer(proxy)
	t.Cleanup(server.Close)
	w.url = server.URL
	if _, err := run(t.Context(), options{url: w.url, dir: t.TempDir(), apiKey: w.Key, pause: time.Millisecond}, io.Discard); err == nil || answers.Load() < 3 {
		t.Errorf("%d answers, of which none came to its end: %v", answers.Load(), err)
	}
	cut.Store(1)
	if whole, said := w.verify(""); !whole || !strings.Contains(said, "going on after") {
		t.Error(said)
	}
}
