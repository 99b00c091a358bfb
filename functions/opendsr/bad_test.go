package opendsr_test

import (
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/sethvargo/go-envconfig"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/opendsr"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/request"
)

// What is wrong is named by its field, and never quoted.
func TestBadRequests(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	one := func(kind, value, format string) map[string]any {
		return map[string]any{"subject_identities": []any{identity(kind, value, format)}}
	}
	const item = "subject_identities[0].identity_"
	for field, changes := range map[string][]map[string]any{
		"regulation":           {{"regulation": nil}, {"regulation": "hipaa"}, {"regulation": "GDPR"}},
		"subject_request_id":   {{"subject_request_id": nil}, {"subject_request_id": "x"}, {"subject_request_id": strings.ToUpper(newID())}, {"subject_request_id": "6ba7b810-9dad-11d1-80b4-00c04fd430c8"}, {"subject_request_id": "urn:uuid:" + newID()}},
		"subject_request_type": {{"subject_request_type": nil}, {"subject_request_type": "rectification"}},
		"submitted_time":       {{"submitted_time": nil}, {"submitted_time": "yesterday"}, {"submitted_time": "2026-01-02"}},
		"api_version":          {{"api_version": "3.0"}},
		"subject_identities":   {{"subject_identities": nil}, {"subject_identities": []any{}}, {"subject_identities": slices.Repeat([]any{identity("email", "secret@example.com", "raw")}, request.MaxIdentities+1)}},
		item + "type":          {one("secret", "secret", "raw"), one("", "secret", "raw")},
		item + "format":        {one("email", "secret", "sha512"), one("email", "secret", "")},
		item + "value": {one("email", "", "raw"), one("email", " ", "raw"), one("email", strings.Repeat("secret", 43), "raw"),
			one("email", "secret", "sha256"), one("email", strings.Repeat("g", 32), "md5"), one("email", strings.Repeat("a", 32), "sha1"), one("email", strings.Repeat("é", 20), "sha1")},
		"status_callback_urls":    {{"status_callback_urls": slices.Repeat([]string{"https://example.com"}, 11)}},
		"status_callback_urls[1]": {{"status_callback_urls": []string{"https://example.com", "https://user:secret@example.com"}}},
	} {
		for _, change := range changes {
			rec := w.do("POST", "/requests", ask(newID(), change))
			if e := w.refused(rec, http.StatusBadRequest); e.Error.Errors[0].Domain != field || e.Error.Errors[0].Reason != "invalid" || strings.Contains(rec.Body.String(), "secret") {
				t.Errorf("%s: %+v", field, e)
			}
		}
	}
	for name, body := range map[string]string{
		"empty": "", "not JSON": "secret", "list": `["secret"]`, "null": "null", "two": ask(newID(), nil) + "{}", "twice": `{"regulation":"gdpr","regulation":"gdpr"}`,
		"wrong type": ask(newID(), map[string]any{"subject_identities": "secret"}), "not UTF-8": "{\"regulation\":\"\xff\"}", "deep": strings.Repeat("[", 60000),
	} {
		if rec := w.do("POST", "/opengdpr_requests", body); strings.Contains(rec.Body.String(), "secret") {
			t.Errorf("%s: %s", name, rec.Body)
		} else {
			w.refused(rec, http.StatusBadRequest)
		}
	}
	w.refused(w.do("POST", "/requests", ask(newID(), map[string]any{"x": strings.Repeat("x", 64<<10)})), http.StatusRequestEntityTooLarge)
}

// Callbacks go to public addresses and over TLS alone.
func TestBadCallbacks(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	strict := w.config
	strict.AllowLoopback = false
	production := opendsr.New(strict, w.Guard(t), w.signer, w.Default, w.exports, w.deletions)
	loose := w.handler
	// A URL, and whether the local system takes it.
	for u, local := range map[string]bool{
		"https://10.0.0.1/x": false, "https://192.168.1.1": false, "https://172.16.0.1": false, "https://169.254.169.254/": false, "https://100.64.0.1": false,
		"https://0.0.0.0": false, "https://224.0.0.1": false, "https://255.255.255.255": false, "https://[fe80::1]/": false, "https://[fe80::1%25eth0]/": false,
		"https://[fd00::1]": false, "https://[::]": false, "https://[::ffff:10.0.0.1]": false, "https://[64:ff9b::a00:1]": false, "https://[2002:a00:1::]": false,
		"https://[::10.0.0.1]": false, "https://[ff02::1]": false, "https://10.0.0.1.": false,
		"https://127.0.0.1": true, "https://127.1.2.3:8443/x": true, "https://[::1]": true, "https://[::ffff:127.0.0.1]": true,
		"https://localhost": true, "https://LOCALHOST.": true, "https://a.localhost": true, "http://127.0.0.1": true, "http://example.com": true,
		"https://": false, "https:example.com": false, "//example.com": false, "example.com": false, "": false, "ftp://example.com": false, "file:///etc/passwd": false,
		"https://user@example.com": false, "https://:@example.com": false, "https://exa mple.com": false, "https://example.com/" + strings.Repeat("x", 2000): false,
	} {
		body := ask(newID(), map[string]any{"status_callback_urls": []string{u}})
		w.handler = production
		if e := w.refused(w.do("POST", "/requests", body), http.StatusBadRequest); e.Error.Errors[0].Domain != "status_callback_urls[0]" {
			t.Errorf("%s: %+v", u, e)
		}
		w.handler = loose
		if rec := w.do("POST", "/requests", body); (rec.Code == http.StatusCreated) != local {
			t.Errorf("%s, local: %d %s", u, rec.Code, rec.Body)
		}
	}
	w.handler = production
	body := ask(newID(), map[string]any{"status_callback_urls": []string{"https://example.com:8443/a?b=c", "https://8.8.8.8/", "https://[2606:4700::1111]/"}})
	w.answered(w.do("POST", "/requests", body), http.StatusCreated, &opendsr.Created{})
}

// A configuration that cannot work is refused at the start.
func TestConfig(t *testing.T) {
	t.Parallel()
	k, err := keys()
	if err != nil {
		t.Fatal(err)
	}
	other, err := local.MakeKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	text := filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(text, []byte("no key"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change map[string]string
		want   string
	}{
		"as it is":         {nil, ""},
		"mismatch":         {map[string]string{"LETHE_OPENDSR_CERT_FILE": other.OpenDSRCert}, "is not of the key"},
		"no key":           {map[string]string{"LETHE_OPENDSR_KEY_FILE": ""}, "LETHE_OPENDSR_KEY_FILE"},
		"no such key":      {map[string]string{"LETHE_OPENDSR_KEY_FILE": text + "x"}, "LETHE_OPENDSR_KEY_FILE"},
		"key not PEM":      {map[string]string{"LETHE_OPENDSR_KEY_FILE": text}, "is not PEM"},
		"key not RSA":      {map[string]string{"LETHE_OPENDSR_KEY_FILE": k.Receipt}, "no RSA key"},
		"certificate":      {map[string]string{"LETHE_OPENDSR_CERT_FILE": k.OpenDSR}, "not a certificate"},
		"no certificate":   {map[string]string{"LETHE_OPENDSR_CERT_FILE": text + "x"}, "LETHE_OPENDSR_CERT_FILE"},
		"domain":           {map[string]string{"LETHE_OPENDSR_DOMAIN": "https://x"}, "LETHE_OPENDSR_DOMAIN"},
		"public URL":       {map[string]string{"LETHE_PUBLIC_URL": "example.com"}, "LETHE_PUBLIC_URL"},
		"callback timeout": {map[string]string{"LETHE_OPENDSR_CALLBACK_TIMEOUT": "0s"}, "LETHE_OPENDSR_CALLBACK_TIMEOUT"},
	} {
		env := map[string]string{"GOOGLE_CLOUD_PROJECT": "lethe-local", "LETHE_PUBLIC_URL": "https://api.example.com/", "LETHE_OPENDSR_DOMAIN": domain,
			"LETHE_OPENDSR_KEY_FILE": k.OpenDSR, "LETHE_OPENDSR_CERT_FILE": k.OpenDSRCert}
		for n, v := range c.change {
			env[n] = v
			if v == "" {
				delete(env, n)
			}
		}
		var config opendsr.Config
		err := gcp.LoadFrom(t.Context(), &config, envconfig.MapLookuper(env))
		if err == nil {
			_, err = opendsr.NewSigner(config)
		}
		if c.want == "" && (err != nil || config.PublicURL != "https://api.example.com") || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
