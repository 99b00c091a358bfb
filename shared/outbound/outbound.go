// Package outbound calls URLs that customers have given: callbacks and webhooks. Such
// a URL must not make this system a way into its own network (server-side request
// forgery).
//
//	CheckURL   ─ when a URL is stored: https, no credentials, no inward address
//	NewClient  ─ when it is called: what the name resolves to is checked at the dial
//
// A name may resolve to something else at each look, so that only the check at the
// dial binds; the one before is there to tell a customer early.
package outbound

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/lethe-analytics/lethe/shared/fault"
)

// MaxURL bounds a URL, in bytes.
const MaxURL = 2000

// maxAnswer bounds what is read of an answer, which nobody looks at, and its headers.
const maxAnswer = 64 << 10

// inward are networks that no call may reach, beside those that netip knows:
// https://www.iana.org/assignments/iana-ipv4-special-registry,
// https://www.iana.org/assignments/iana-ipv6-special-registry. The last five carry
// an IPv4 address inside.
var inward = prefixes("0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24",
	"203.0.113.0/24", "240.0.0.0/4", "100::/64", "2001:db8::/32", "fec0::/10",
	"::/96", "64:ff9b::/96", "64:ff9b:1::/48", "2002::/16", "2001::/32")

func prefixes(texts ...string) (all []netip.Prefix) {
	for _, t := range texts {
		all = append(all, netip.MustParsePrefix(t))
	}
	return all
}

// public reports whether a call may go to an address: one that is neither of our own
// network nor of this machine.
func public(a netip.Addr, allowLoopback bool) bool {
	a = a.Unmap().WithZone("")
	if a.IsLoopback() {
		return allowLoopback
	}
	if !a.IsGlobalUnicast() || a.IsPrivate() {
		return false
	}
	for _, p := range inward {
		if p.Contains(a) {
			return false
		}
	}
	return true
}

// CheckURL refuses a URL that could reach what is not public. A name is looked up only
// when it is called, and then checked again. AllowLoopback, here and below, is for the
// local system: it takes this machine's addresses, and http.
func CheckURL(field, text string, allowLoopback bool) error {
	u, err := url.Parse(text)
	switch {
	case len(text) > MaxURL:
		return fault.InField(field, "is longer than %d bytes", MaxURL)
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		return fault.InField(field, "is not an absolute URL")
	case u.Scheme != "https" && !(allowLoopback && u.Scheme == "http"):
		return fault.InField(field, "must begin with https://")
	case u.User != nil:
		return fault.InField(field, "must not hold a user name or password")
	}
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	name := host == "localhost" || strings.HasSuffix(host, ".localhost")
	if a, err := netip.ParseAddr(host); err == nil && !public(a, allowLoopback) || name && !allowLoopback {
		return fault.InField(field, "must not name an address that is not public")
	}
	return nil
}

// NewClient makes a client that goes to no address that is not public, whatever a name
// resolves to, and follows no redirect. A nil resolver is the system's.
func NewClient(timeout time.Duration, allowLoopback bool, resolver *net.Resolver) *http.Client {
	dialer := &net.Dialer{Timeout: timeout, Resolver: resolver, Control: func(_, address string, _ syscall.RawConn) error {
		to, err := netip.ParseAddrPort(address)
		if err != nil {
			return fmt.Errorf("address of a call: %w", err)
		}
		if !public(to.Addr(), allowLoopback) {
			return errors.New("the address of a call is not public")
		}
		return nil
	}}
	return &http.Client{
		Timeout: timeout,
		// No proxy: it would dial in our place.
		Transport:     &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, MaxResponseHeaderBytes: maxAnswer},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Post sends a JSON body with headers, and returns the status of the answer. Its errors
// do not quote the URL, in which a customer may have put anything.
func Post(ctx context.Context, client *http.Client, to string, body []byte, headers http.Header) (code int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return 0, errors.New("the URL is not valid")
	}
	for name, values := range headers {
		r.Header[name] = values
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "lethe")
	resp, err := client.Do(r)
	if err != nil {
		return 0, errors.New("no answer")
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // a receiver may want it read
	return resp.StatusCode, nil
}
