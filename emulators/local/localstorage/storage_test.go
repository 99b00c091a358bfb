package localstorage

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/option"

	"github.com/lethe-analytics/lethe/emulators/local"
)

// openStorage starts a fake with one bucket that holds "a dir/ö+1.txt".
func openStorage(t *testing.T, keep bool, dir string) (*Storage, *storage.Client) {
	t.Helper()
	s, err := Start(dir, keep)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	s.CreateBucket("bucket")
	client, err := storage.NewClient(t.Context(), storage.WithJSONReads(),
		option.WithEndpoint("http://"+s.Host+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return s, client
}

const objectName = "a dir/ö+1.txt"

func put(t *testing.T, client *storage.Client, name, text string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	w := client.Bucket("bucket").Object(name).If(storage.Conditions{DoesNotExist: true}).NewWriter(ctx)
	if _, err := io.WriteString(w, text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
}

// sign makes a URL with the client library, as a function does.
func sign(t *testing.T, s *Storage, method string, expires time.Duration, query url.Values) string {
	t.Helper()
	key, err := os.ReadFile(s.KeyFile)
	if err != nil {
		t.Fatal(err)
	}
	u, err := storage.SignedURL("bucket", objectName, &storage.SignedURLOptions{
		GoogleAccessID: SigningAccount, PrivateKey: key, Scheme: storage.SigningSchemeV4, Method: method,
		Expires: time.Now().Add(expires), Hostname: s.Host, Insecure: true, Style: storage.PathStyle(),
		QueryParameters: query,
	})
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func do(t *testing.T, method, u string) (int, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func TestSignedURLs(t *testing.T) {
	t.Parallel()
	s, client := openStorage(t, false, t.TempDir())
	put(t, client, objectName, "hello")
	put(t, client, "other.txt", "secret")

	valid := sign(t, s, "GET", time.Hour, nil)
	for name, u := range map[string]string{
		"valid":          valid,
		"week":           sign(t, s, "GET", 7*24*time.Hour-time.Minute, nil),
		"by other name":  strings.Replace(valid, "127.0.0.1", "localhost", 1),
		"with parameter": sign(t, s, "GET", time.Hour, url.Values{"response-content-type": {"text/plain"}}),
	} {
		code, body := do(t, "GET", u)
		if name == "by other name" { // the host is part of what is signed
			if code != 403 {
				t.Errorf("%s: got %d, want 403", name, code)
			}
			continue
		}
		if code != 200 || body != "hello" {
			t.Errorf("%s: got %d %q, want 200 hello", name, code, body)
		}
	}

	plain, _, _ := strings.Cut(valid, "?")
	for _, c := range []struct{ name, method, url, code string }{
		{"unsigned", "GET", plain, "AccessDenied"},
		{"empty signature", "GET", plain + "?X-Goog-Signature=", "AccessDenied"},
		{"other object", "GET", strings.Replace(valid, "/bucket/a%20dir/%C3%B6%2B1.txt", "/bucket/other.txt", 1), "SignatureDoesNotMatch"},
		{"other method", "DELETE", valid, "SignatureDoesNotMatch"},
		{"longer life", "GET", strings.Replace(valid, "X-Goog-Expires=3599", "X-Goog-Expires=7199", 1), "SignatureDoesNotMatch"},
		{"eight days", "GET", strings.Replace(valid, "X-Goog-Expires=3599", "X-Goog-Expires=691200", 1), "InvalidArgument"},
		{"added parameter", "GET", valid + "&response-content-type=text/html", "SignatureDoesNotMatch"},
		{"doubled parameter", "GET", valid + "&X-Goog-Expires=1", "InvalidArgument"},
		{"altered signature", "GET", alter(valid), "SignatureDoesNotMatch"},
		{"not hex", "GET", strings.Replace(valid, "X-Goog-Signature=", "X-Goog-Signature=zz", 1), "SignatureDoesNotMatch"},
		{"other account", "GET", strings.Replace(valid, "signer%40", "other%40", 1), "InvalidArgument"},
		{"bucket list", "GET", "http://" + s.Host + "/bucket", "AccessDenied"},
	} {
		if c.url == valid && c.method == "GET" {
			t.Errorf("%s: the test did not alter the URL %s", c.name, valid)
		}
		code, body := do(t, c.method, c.url)
		if code != 403 || !strings.Contains(body, "<Code>"+c.code+"</Code>") {
			t.Errorf("%s: got %d %s, want 403 %s", c.name, code, body, c.code)
		}
	}
	if code, body := do(t, "GET", valid); code != 200 {
		t.Errorf("afterwards: got %d %s, want 200", code, body)
	}
}

// alter changes the first hex digit of the signature.
func alter(u string) string {
	before, after, _ := strings.Cut(u, "X-Goog-Signature=")
	digit := "0"
	if after[0] == '0' {
		digit = "1"
	}
	return before + "X-Goog-Signature=" + digit + after[1:]
}

func TestSignedURLExpires(t *testing.T) {
	t.Parallel()
	s, client := openStorage(t, false, t.TempDir())
	put(t, client, objectName, "hello")
	var u string
	for life := 2 * time.Second; ; life *= 2 { // a busy machine may take longer than that to ask
		u = sign(t, s, "GET", life, nil)
		code, body := do(t, "GET", u)
		if code == 200 {
			break
		}
		if life > time.Minute {
			t.Fatalf("before: got %d %s", code, body)
		}
	}
	local.Eventually(t, 2*time.Minute, func() error {
		code, body := do(t, "GET", u)
		if code != 403 || !strings.Contains(body, "ExpiredToken") {
			return fmt.Errorf("got %d %s, want 403 ExpiredToken", code, body)
		}
		return nil
	})
}

func TestStorageKeeps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first, client := openStorage(t, true, dir)
	put(t, client, objectName, "kept")
	first.Stop()
	second, _ := openStorage(t, true, dir)
	if code, body := do(t, "GET", sign(t, second, "GET", time.Hour, nil)); code != 200 || body != "kept" {
		t.Errorf("got %d %q, want 200 kept", code, body)
	}
}
