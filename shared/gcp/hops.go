package gcp

import (
	"fmt"
	"os"
	"strconv"
	"sync"
)

// TrustedHops is how many of the last entries of X-Forwarded-For were written by the
// platform; the first of those is the client's address. Two, unless LETHE_TRUSTED_HOPS
// says otherwise, are Google's external load balancer's: it appends the address of the
// client and its own
// (https://cloud.google.com/load-balancing/docs/https#x-forwarded-for_header). The
// local gateway appends one. With 0 the header is not believed at all.
var TrustedHops = sync.OnceValues(func() (int, error) {
	text, ok := os.LookupEnv("LETHE_TRUSTED_HOPS")
	if !ok || text == "" {
		return 2, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > 10 {
		return 0, fmt.Errorf("LETHE_TRUSTED_HOPS %q is not a number from 0 to 10", text)
	}
	return n, nil
})
