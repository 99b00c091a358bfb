package web

import (
	"net/http"
	"net/netip"
	"strings"

	"github.com/lethe-analytics/lethe/shared/gcp"
)

// ClientAddress is where a request comes from, as far as the platform vouches for it
// (gcp.TrustedHops): what the client itself writes in X-Forwarded-For is not believed.
// It is not valid where that is not known.
func ClientAddress(r *http.Request) netip.Addr {
	hops, err := gcp.TrustedHops()
	if err != nil {
		return netip.Addr{}
	}
	return addressBehind(r, hops)
}

func addressBehind(r *http.Request, hops int) netip.Addr {
	if hops == 0 {
		peer, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			return netip.Addr{}
		}
		return peer.Addr().Unmap().WithZone("")
	}
	entries := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	if len(entries) < hops {
		return netip.Addr{} // did not come the way that it should
	}
	address, err := netip.ParseAddr(strings.TrimSpace(entries[len(entries)-hops]))
	if err != nil {
		return netip.Addr{}
	}
	return address.Unmap().WithZone("")
}
