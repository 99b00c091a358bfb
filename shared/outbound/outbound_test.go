package outbound

import (
	"context"
	"encoding/binary"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// resolveTo is a resolver by which every name has an address.
func resolveTo(t *testing.T, to netip.Addr) *net.Resolver {
	t.Helper()
	server, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close() })
	go func() {
		buf := make([]byte, 1500)
		for {
			n, from, err := server.ReadFrom(buf)
			if err != nil {
				return
			}
			_, _ = server.WriteTo(answer(buf[:n], to), from)
		}
	}()
	return &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "udp", server.LocalAddr().String())
	}}
}

// answer answers a DNS query (RFC 1035, section 4): for the type of the address with
// it, for others with nothing.
func answer(query []byte, to netip.Addr) []byte {
	const header = 12
	end := header
	for query[end] != 0 {
		end += int(query[end]) + 1
	}
	end += 5 // the root label, type, class
	kind := uint16(1)
	if to.Is6() {
		kind = 28
	}
	a := append([]byte(nil), query[:end]...)
	copy(a[2:header], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
	if binary.BigEndian.Uint16(query[end-4:]) != kind {
		return a
	}
	a[7] = 1
	a = append(a, 0xc0, header)
	a = binary.BigEndian.AppendUint16(a, kind)
	a = append(a, 0, 1, 0, 0, 0, 1)
	a = binary.BigEndian.AppendUint16(a, uint16(len(to.AsSlice())))
	return append(a, to.AsSlice()...)
}

// What a name resolves to is checked when it is dialled: nothing connects.
func TestNamesOfInwardAddresses(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { calls.Add(1) }))
	t.Cleanup(server.Close)
	_, port, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	for _, to := range []string{"127.0.0.1", "::1", "10.0.0.1", "169.254.169.254", "::ffff:127.0.0.1"} {
		client := NewClient(time.Second, false, resolveTo(t, netip.MustParseAddr(to)))
		resp, err := get(t, client, "http://inward.example.com:"+port+"/")
		if err == nil {
			_ = resp.Body.Close()
		}
		if err == nil || !strings.Contains(err.Error(), "not public") {
			t.Errorf("%s: %v", to, err)
		}
	}
	for _, u := range []string{server.URL, "http://localhost:" + port, "http://[::ffff:127.0.0.1]:" + port} { // not by a name either
		resp, err := get(t, NewClient(time.Second, false, nil), u)
		if err == nil {
			_ = resp.Body.Close()
			t.Errorf("%s: %d", u, resp.StatusCode)
		}
	}
	if n := calls.Load(); n > 0 {
		t.Errorf("%d calls arrived", n)
	}
	// The same client of the local system gets there: the resolver does its work.
	resp, err := get(t, NewClient(10*time.Second, true, resolveTo(t, netip.MustParseAddr("127.0.0.1"))), "http://inward.example.com:"+port+"/")
	if err != nil || calls.Load() != 1 {
		t.Fatal(err, calls.Load())
	}
	_ = resp.Body.Close()
}

func get(t *testing.T, client *http.Client, u string) (*http.Response, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, u, nil)
	if err != nil {
		t.Fatal(err)
	}
	return client.Do(r)
}
