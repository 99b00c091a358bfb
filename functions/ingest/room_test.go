package ingest_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// However many send large bodies, a few are in memory at a time; the others come again.
// Small ones are no matter.
func TestLargeBodies(t *testing.T) {
	t.Parallel()
	s := newSystem(t, nil)
	c := config(s.Tenant)
	c.LargeWait = time.Millisecond
	s.serve(c)
	pad := strings.Repeat(" ", 600_000)
	var held sync.WaitGroup
	var releases []func()
	hold := func() { // nobody knows the token, but it is read behind the body
		body, release := stalling("[" + pad)
		releases = append(releases, release)
		r, err := http.NewRequest(http.MethodPost, s.url+"/track", body)
		if err != nil {
			t.Error(err)
			return
		}
		held.Go(func() {
			if res, err := http.DefaultClient.Do(r); err == nil {
				res.Body.Close()
			}
		})
	}
	large := map[string]string{"": "[" + s.event("ann", "") + pad + "]", "gzip": zipped("[" + s.event("ann", "") + pad + "]")}
	send := func(path, encoding string) answer {
		r := s.request(http.MethodPost, path, jsonType, large[encoding])
		r.Header.Set("Content-Encoding", encoding)
		r.SetBasicAuth(s.Token, "")
		return s.do(r)
	}
	// One refusal may be for the sake of a request that has just been answered.
	for refused := 0; len(releases) < 50 && refused < 5; refused++ {
		if send("/track", "").code != http.StatusTooManyRequests {
			refused = 0
			hold()
		}
	}
	for path, want := range map[string]string{"/track?verbose=1": `{"status":0,"error":"too many large`, "/import": `{"code":429,"error":"too many large`} {
		for encoding := range large {
			if a := send(path, encoding); a.code != http.StatusTooManyRequests || !strings.HasPrefix(a.body, want) || a.header.Get("Retry-After") != "5" {
				t.Errorf("%s %s: %d %v %.200s", path, encoding, a.code, a.header, a.body)
			}
		}
	}
	if a := s.post("/track", jsonType, s.event("ann", "")); a.body != "1" {
		t.Errorf("%d %s", a.code, a.body)
	}
	for _, release := range releases {
		release()
	}
	held.Wait()
	for encoding := range large {
		a := send("/track", encoding)
		for end := time.Now().Add(20 * time.Second); a.code == http.StatusTooManyRequests && time.Now().Before(end); a = send("/track", encoding) {
		} // who was told the answer may not have left its place yet
		if a.body != "1" {
			t.Errorf("%s: %d %s", encoding, a.code, a.body)
		}
	}
}
