package ingest

import (
	"encoding/json"
	"net/http"
	"net/textproto"
	"regexp"
	"strconv"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// gif is one transparent pixel, for ?img=1.
var gif = []byte("GIF89a\x01\x00\x01\x00\x80\x00\x00\x00\x00\x00\xff\xff\xff!\xf9\x04\x01\x00\x00\x00\x00,\x00\x00\x00\x00\x01\x00\x01\x00\x00\x02\x02D\x01\x00;")

// writeTrack answers /track and /engage: 1 or 0, or the verbose form.
func writeTrack(w http.ResponseWriter, r *http.Request, code int, ok bool, message string) {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	n := 0
	if ok {
		n = 1
	}
	switch q := r.URL.Query(); {
	case q.Get("img") == "1":
		h.Set("Content-Type", "image/gif")
		w.WriteHeader(code)
		_, _ = w.Write(gif)
	case q.Get("verbose") == "1":
		var why *string
		if message != "" {
			why = &message
		}
		writeJSON(w, code, struct {
			Status int     `json:"status"`
			Error  *string `json:"error"`
		}{n, why})
	default:
		h.Set("Content-Type", "text/plain; charset=utf-8")
		w.WriteHeader(code)
		_, _ = w.Write([]byte(strconv.Itoa(n)))
	}
}

// writeTrackError maps an error to the contract of /track and /engage, where
// input that is wrong is answered by 200 and 0.
func writeTrackError(w http.ResponseWriter, r *http.Request, err error) {
	kind := fault.Of(err)
	code := web.Status(err)
	if kind == fault.Invalid {
		code = http.StatusOK
	}
	web.SetRetryHeaders(w.Header(), kind)
	detail, _ := web.Describe(err)
	writeTrack(w, r, code, false, detail)
}

// imported is the answer of /import.
type imported struct {
	Code     int             `json:"code"`
	Error    string          `json:"error,omitempty"`
	Failed   []event.Failure `json:"failed_records,omitempty"`
	Imported int             `json:"num_records_imported"`
	Status   string          `json:"status"`
}

// writeImportError maps an error to the contract of /import.
func writeImportError(w http.ResponseWriter, r *http.Request, err error) {
	web.SetRetryHeaders(w.Header(), fault.Of(err))
	if fault.Of(err) == fault.Unauthorized {
		w.Header().Set("WWW-Authenticate", `Basic realm="lethe"`)
	}
	code := web.Status(err)
	detail, _ := web.Describe(err)
	writeJSON(w, code, imported{Code: code, Error: detail, Status: http.StatusText(code)})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // the client may have gone
}

func notFound(http.ResponseWriter, *http.Request) error {
	return fault.New(fault.NotFound, "no such endpoint; events go to /track, /engage or /import")
}

// headerList is a list of header names. Its length is no part of the pattern, which would
// take each cold start milliseconds to compile.
var headerList = regexp.MustCompile(`^[A-Za-z0-9, _-]+$`)

const maxHeaderList = 512

// cors lets pages of any origin send: a token is public and can only write.
// mixpanel-js sends with credentials, for which the origin must be named.
func cors(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Add("Vary", "Origin")
		if origin := r.Header.Get("Origin"); origin != "" {
			h.Set("Access-Control-Allow-Origin", textproto.TrimString(origin))
			h.Set("Access-Control-Allow-Credentials", "true")
			h.Set("Access-Control-Expose-Headers", "X-Request-Id, Retry-After")
		}
		if r.Method != http.MethodOptions {
			next.ServeHTTP(w, r)
			return
		}
		h.Set("Access-Control-Allow-Methods", "GET, POST, OPTIONS")
		if ask := r.Header.Get("Access-Control-Request-Headers"); len(ask) <= maxHeaderList && headerList.MatchString(ask) {
			h.Set("Access-Control-Allow-Headers", ask)
		}
		h.Set("Access-Control-Max-Age", "86400")
		w.WriteHeader(http.StatusNoContent)
	})
}
