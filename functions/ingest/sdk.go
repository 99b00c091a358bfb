package ingest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/lethe-analytics/lethe/shared/web"
)

// The browser SDK: sdk/lethe.js, and what is built from it.
//
//go:generate go run ./sdk
//go:embed sdk/sdk.js sdk/sdk.mjs sdk/sdk.d.ts
var sdkFiles embed.FS

// sdkRoutes serve the browser SDK to whoever asks.
func sdkRoutes() []web.Route {
	return []web.Route{
		{Method: http.MethodGet, Path: "/sdk.js", Handler: serveSDK("sdk.js", "text/javascript; charset=utf-8")},
		{Method: http.MethodGet, Path: "/sdk.mjs", Handler: serveSDK("sdk.mjs", "text/javascript; charset=utf-8")},
		{Method: http.MethodGet, Path: "/sdk.d.ts", Handler: serveSDK("sdk.d.ts", "application/typescript; charset=utf-8")},
	}
}

// serveSDK answers with a file, to any page, and with 304 to who has it. What is in
// the program is there: a file that is missing shows at the first start.
func serveSDK(name, contentType string) web.Handler {
	plain, err := sdkFiles.ReadFile("sdk/" + name)
	if err != nil {
		panic(err)
	}
	small := sync.OnceValue(func() []byte { return gzipped(plain) }) // most instances are never asked
	sum := sha256.Sum256(plain)
	tag := hex.EncodeToString(sum[:8])
	return func(w http.ResponseWriter, r *http.Request) error {
		h := w.Header()
		h.Set("Content-Type", contentType)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Access-Control-Allow-Origin", "*") // modules are fetched with CORS
		h.Set("Cross-Origin-Resource-Policy", "cross-origin")
		// A mended SDK reaches every page within the hour; the tag makes the rest cheap.
		h.Set("Cache-Control", "public, max-age=3600, stale-while-revalidate=86400")
		h.Add("Vary", "Accept-Encoding")
		body := plain
		h.Set("ETag", `"`+tag+`"`)
		if takesGzip(r) {
			body = small()
			h.Set("ETag", `"`+tag+`-gzip"`)
			h.Set("Content-Encoding", "gzip")
		}
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
		return nil
	}
}

func gzipped(b []byte) []byte {
	var out bytes.Buffer
	w, _ := gzip.NewWriterLevel(&out, gzip.BestCompression) // fails for no such level
	_, _ = w.Write(b)                                       // a buffer takes all
	_ = w.Close()
	return out.Bytes()
}

// takesGzip reads Accept-Encoding as far as a choice of two needs it
// (https://www.rfc-editor.org/rfc/rfc9110#section-12.5.3).
func takesGzip(r *http.Request) bool {
	for item := range strings.SplitSeq(r.Header.Get("Accept-Encoding"), ",") {
		coding, weight, _ := strings.Cut(item, ";")
		if strings.EqualFold(strings.TrimSpace(coding), "gzip") {
			q := strings.ReplaceAll(weight, " ", "")
			return strings.Trim(strings.TrimPrefix(q, "q="), "0.") != "" || q == ""
		}
	}
	return false
}
