package localstorage

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Terms of V4 signed URLs: https://cloud.google.com/storage/docs/access-control/signed-urls
const (
	algorithm     = "GOOG4-RSA-SHA256"
	maxURLAge     = 7 * 24 * time.Hour
	maxClockSkew  = 15 * time.Minute
	compactTime   = "20060102T150405Z"
	unsignedBody  = "UNSIGNED-PAYLOAD"
	bodyHashField = "x-goog-content-sha256"
)

// verifier checks V4 signed URLs:
// https://cloud.google.com/storage/docs/authentication/canonical-requests
type verifier struct {
	account string
	key     *rsa.PublicKey
	now     func() time.Time
}

// refusal is the answer to a URL that is not accepted, in the XML API's form.
type refusal struct {
	XMLName xml.Name `xml:"Error"`
	Code    string   `xml:"Code"`
	Message string   `xml:"Message"`
}

func refuse(code, format string, args ...any) *refusal {
	return &refusal{Code: code, Message: fmt.Sprintf(format, args...)}
}

func (f *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/xml; charset=UTF-8")
	w.WriteHeader(http.StatusForbidden)
	_, _ = w.Write([]byte(xml.Header))
	_ = xml.NewEncoder(w).Encode(f) // an error means that the client is gone
}

// verify returns nil if the request carries a valid signature.
func (v verifier) verify(r *http.Request) *refusal {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return refuse("InvalidArgument", "the query is malformed")
	}
	for name, values := range q {
		if len(values) > 1 && strings.HasPrefix(strings.ToLower(name), "x-goog-") {
			return refuse("InvalidArgument", "%s stands in the URL twice", name)
		}
	}
	if q.Get("X-Goog-Signature") == "" {
		return refuse("AccessDenied", "Anonymous caller does not have storage.objects access to this object.")
	}
	if q.Get("X-Goog-Algorithm") != algorithm {
		return refuse("InvalidArgument", "X-Goog-Algorithm must be %s", algorithm)
	}
	if f := v.checkTime(q); f != nil {
		return f
	}
	date := q.Get("X-Goog-Date")
	account, scope, _ := strings.Cut(q.Get("X-Goog-Credential"), "/")
	if account != v.account || scope != date[:8]+"/auto/storage/goog4_request" {
		return refuse("InvalidArgument", "X-Goog-Credential names another account or another day")
	}
	canonical, f := canonicalRequest(r, q)
	if f != nil {
		return f
	}
	sum := sha256.Sum256([]byte(canonical))
	toSign := strings.Join([]string{algorithm, date, scope, hex.EncodeToString(sum[:])}, "\n")
	digest := sha256.Sum256([]byte(toSign))
	signature, err := hex.DecodeString(q.Get("X-Goog-Signature"))
	if err != nil || rsa.VerifyPKCS1v15(v.key, crypto.SHA256, digest[:], signature) != nil {
		return refuse("SignatureDoesNotMatch", "Access denied: the request's method, path, query or headers are not what was signed.")
	}
	return nil
}

func (v verifier) checkTime(q url.Values) *refusal {
	date, err := time.Parse(compactTime, q.Get("X-Goog-Date"))
	if err != nil {
		return refuse("InvalidArgument", "X-Goog-Date must look like %s", compactTime)
	}
	secs, err := strconv.ParseInt(q.Get("X-Goog-Expires"), 10, 64)
	if err != nil || secs <= 0 || secs > int64(maxURLAge/time.Second) {
		return refuse("InvalidArgument", "X-Goog-Expires must be 1 to %d seconds", int64(maxURLAge/time.Second))
	}
	if date.After(v.now().Add(maxClockSkew)) {
		return refuse("RequestTimeTooSkewed", "X-Goog-Date is in the future")
	}
	if !v.now().Before(date.Add(time.Duration(secs) * time.Second)) {
		return refuse("ExpiredToken", "The provided token has expired.")
	}
	return nil
}

// canonicalRequest is what was signed, as this request has it.
func canonicalRequest(r *http.Request, q url.Values) (string, *refusal) {
	names := strings.Split(q.Get("X-Goog-SignedHeaders"), ";")
	if !slices.IsSorted(names) || !slices.Contains(names, "host") {
		return "", refuse("InvalidArgument", "X-Goog-SignedHeaders must be sorted and include host")
	}
	var headers strings.Builder
	bodyHash := unsignedBody
	for _, name := range names {
		value := strings.Join(r.Header.Values(name), ",")
		if name == "host" {
			value = hostOnly(r.Host) // the client library signs the host without its port
		}
		value = strings.Join(strings.Fields(value), " ")
		if name == bodyHashField {
			bodyHash = value
		}
		fmt.Fprintf(&headers, "%s:%s\n", name, value)
	}
	signed := url.Values{}
	for name, values := range q {
		if name != "X-Goog-Signature" {
			signed[name] = values
		}
	}
	return strings.Join([]string{
		r.Method,
		r.URL.EscapedPath(),
		strings.ReplaceAll(signed.Encode(), "+", "%20"),
		headers.String(),
		q.Get("X-Goog-SignedHeaders"),
		bodyHash,
	}, "\n"), nil
}

func hostOnly(hostport string) string {
	if host, _, err := net.SplitHostPort(hostport); err == nil {
		return host
	}
	return hostport
}
