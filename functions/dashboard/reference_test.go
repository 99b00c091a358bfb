package dashboard_test

import (
	"bytes"
	"html"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pb33f/libopenapi"
	validator "github.com/pb33f/libopenapi-validator"

	"github.com/lethe-analytics/lethe/functions/dashboard"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/openapi"
)

// publicURL is the address that the pages of these tests know.
const publicURL = "https://lethe.example.com"

// documents are the pages that anybody may read. Behind them is no API, and nobody is
// signed in.
func documents(t *testing.T, url string) func(path string) *httptest.ResponseRecorder {
	t.Helper()
	d, err := dashboard.New(dashboard.Config{APIURL: "http://127.0.0.1:1", PublicURL: url, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	return func(path string) *httptest.ResponseRecorder {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
		r.Header.Set("Accept", "text/html")
		rec := httptest.NewRecorder()
		d.ServeHTTP(rec, r)
		return rec
	}
}

var (
	toTag   = regexp.MustCompile(`<h3><a href="(/reference/[^"]+)">`)
	section = regexp.MustCompile(`(?s)<section class="operation.*?</section>`)
	called  = regexp.MustCompile(`<p class="call"><code><b>(\w+)</b> ([^<]+)</code>`)
	sample  = regexp.MustCompile(`(?s)<pre tabindex="0"><code>(curl .*?)</code></pre>`)
)

// sections are those of all operations, by method and path.
func sections(t *testing.T) map[string]string {
	t.Helper()
	get, all := documents(t, publicURL), map[string]string{}
	for _, tag := range toTag.FindAllStringSubmatch(get("/reference").Body.String(), -1) {
		rec := get(tag[1])
		if rec.Code != http.StatusOK || rec.Body.Len() > 200<<10 {
			t.Errorf("%s: %d, %d bytes", tag[1], rec.Code, rec.Body.Len())
		}
		for _, s := range section.FindAllString(rec.Body.String(), -1) {
			m := called.FindStringSubmatch(s)
			all[m[1]+" "+m[2]] = s
		}
	}
	return all
}

// Every endpoint is in the reference and nothing else is, with who may call it, its
// parameters, the fields of its body, and its answers.
func TestReference(t *testing.T) {
	t.Parallel()
	shown := sections(t)
	for _, e := range access.Endpoints {
		name := e.Method + " " + strings.Replace(e.Path, "...}", "}", 1)
		s, ok := shown[name]
		if !ok {
			t.Errorf("%s is not in the reference", name)
			continue
		}
		delete(shown, name)
		who := []string{string(e.Role)}
		for _, r := range e.Staff {
			who = append(who, string(r))
		}
		switch e.Auth {
		case access.AuthPublic:
			who = []string{"anybody"}
		case access.AuthToken:
			who = []string{"an SDK token"}
		}
		_, callers, _ := strings.Cut(s, "Who may call: ")
		callers, _, _ = strings.Cut(callers, "</p>")
		for _, w := range who {
			if w == "reader" {
				w = "any API key"
			}
			if !strings.Contains(callers, w) || !strings.Contains(callers, e.Action) {
				t.Errorf("%s: who may call is told as %q, lacks %q or %q", name, callers, w, e.Action)
			}
		}
	}
	for name := range shown {
		t.Errorf("%s is in the reference, and is no endpoint", name)
	}
	s := sections(t)["POST /v1/exports"]
	for _, text := range []string{"Ask for an archive", "<code>Idempotency-Key</code>", "<code>distinct_ids</code>", "list of string, required", "<b>202</b>", "<b>409</b>"} {
		if !strings.Contains(s, text) {
			t.Errorf("POST /v1/exports lacks %s:\n%s", text, s)
		}
	}
}

// The examples are requests that the description allows. bash reads each as a reader's
// does, and a function in the place of curl says what it was given.
func TestExamples(t *testing.T) {
	t.Parallel()
	doc, err := libopenapi.NewDocument(openapi.YAML)
	if err != nil {
		t.Fatal(err)
	}
	v, errs := validator.NewValidator(doc)
	if len(errs) > 0 {
		t.Fatal(errs)
	}
	for name, s := range sections(t) {
		m := sample.FindStringSubmatch(s)
		if m == nil {
			t.Errorf("%s has no example", name)
			continue
		}
		example := html.UnescapeString(m[1])
		out, err := exec.CommandContext(t.Context(), "bash", "-euc", `curl() { printf '%s\0' "$@"; }; `+example).Output()
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, example)
			continue
		}
		r := parseCurl(t, strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"))
		if !strings.HasPrefix(r.URL.String(), publicURL+"/") || r.Method != strings.Fields(name)[0] {
			t.Errorf("%s: %s %s", name, r.Method, r.URL)
		}
		if ok, faults := v.ValidateHttpRequestSync(r); !ok {
			for _, f := range faults {
				t.Errorf("%s: %s: %s %v\n%s", name, f.Message, f.Reason, f.SchemaValidationErrors, example)
			}
		}
	}
}

// parseCurl is the request that curl makes of its arguments.
func parseCurl(t *testing.T, args []string) *http.Request {
	t.Helper()
	method, url, body := "", "", ""
	header := http.Header{}
	for i := 0; i < len(args); i++ {
		switch args[i] {
		case "-X":
			i++
			method = args[i]
		case "-H":
			i++
			k, value, _ := strings.Cut(args[i], ": ")
			header.Set(k, value)
		case "-u":
			i++
			header.Set("Authorization", "Basic VE9LRU46")
		case "-d":
			i++
			body = args[i]
		default:
			url = args[i]
		}
	}
	if method == "" && body != "" {
		method = http.MethodPost
	}
	r, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err, args)
	}
	if body == "" {
		r.Body = http.NoBody
	}
	r.Header = header
	return r
}

// The description is served as it is, and not again to who has it.
func TestDescription(t *testing.T) {
	t.Parallel()
	rec := documents(t, publicURL)("/openapi.yaml")
	tag := rec.Header().Get("ETag")
	if rec.Code != http.StatusOK || rec.Header().Get("Content-Type") != "application/yaml" || tag == "" ||
		rec.Header().Get("Access-Control-Allow-Origin") != "*" || !bytes.Equal(rec.Body.Bytes(), openapi.YAML) {
		t.Errorf("%d %v, %d bytes", rec.Code, rec.Header(), rec.Body.Len())
	}
	d, err := dashboard.New(dashboard.Config{APIURL: "http://127.0.0.1:1", PublicURL: publicURL, Timeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/openapi.yaml", nil)
	r.Header.Set("If-None-Match", tag)
	again := httptest.NewRecorder()
	d.ServeHTTP(again, r)
	if again.Code != http.StatusNotModified || again.Body.Len() != 0 {
		t.Errorf("%d, %d bytes", again.Code, again.Body.Len())
	}
}
