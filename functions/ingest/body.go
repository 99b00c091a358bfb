package ingest

import (
	"bytes"
	"encoding/base64"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"sync"

	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxForm bounds a form, in which base64 takes a third more than its JSON.
const maxForm = event.MaxBody/3*4 + 4096

// buffers hold the bodies of requests in hand.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// maxReused is the size of a buffer that is not kept.
const maxReused = 1 << 20

// release lets the next request use a buffer.
func release(buf *bytes.Buffer) {
	if buf.Cap() <= maxReused {
		buf.Reset()
		buffers.Put(buf)
	}
}

// body is a request's payload and how it came.
type body struct {
	json   []byte
	form   bool // in a form, or in the query
	ndjson bool
}

// readBody reads the JSON of a request: as it is, in a form as data=<JSON> or
// data=<base64 of JSON>, or in the query of a GET. It may stand in the buffer. A large
// one takes the place.
func readBody(buf *bytes.Buffer, w http.ResponseWriter, r *http.Request, place *place) (body, error) {
	if r.Method == http.MethodGet {
		return decodeForm(r.URL.RawQuery)
	}
	raw, err := web.ReadBodyInto(buf, w, r, maxForm, func() error { return place.take(r.Context(), w) })
	if err != nil {
		return body{}, err
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	// The body tells more than the header: sendBeacon and fetch send forms as
	// text/plain, curl -d sends JSON as a form.
	text := bytes.TrimLeft(raw, " \t\r\n")
	isJSON := bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("["))
	if !isJSON && (kind == "application/x-www-form-urlencoded" || bytes.HasPrefix(text, []byte("data="))) {
		return decodeForm(string(raw))
	}
	return bounded(body{json: raw, ndjson: kind == "application/x-ndjson"})
}

func decodeForm(form string) (body, error) {
	values, err := url.ParseQuery(form)
	if err != nil {
		return body{}, fault.Wrap(fault.Invalid, err, "the form is not valid")
	}
	data := strings.TrimSpace(values.Get("data"))
	if data == "" {
		return body{}, fault.InField("data", "is required")
	}
	if data[0] == '[' || data[0] == '{' {
		return bounded(body{json: []byte(data), form: true})
	}
	// Some SDKs do not escape what is special in a form, use the URL alphabet, or
	// leave the padding out.
	data = strings.NewReplacer(" ", "+", "-", "+", "_", "/", "\n", "", "\r", "").Replace(data)
	plain, err := base64.RawStdEncoding.DecodeString(strings.TrimRight(data, "="))
	if err != nil {
		return body{}, fault.Wrap(fault.Invalid, err, "data: is neither JSON nor base64 of JSON")
	}
	return bounded(body{json: plain, form: true})
}

func bounded(b body) (body, error) {
	if len(b.json) > event.MaxBody {
		return body{}, fault.New(fault.TooLarge, "the body is over %d bytes", event.MaxBody)
	}
	return b, nil
}
