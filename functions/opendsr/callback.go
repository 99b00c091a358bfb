package opendsr

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lethe-analytics/lethe/shared/outbound"
)

// call sends a signed status to a callback.
func call(ctx context.Context, client *http.Client, signer *Signer, to string, body []byte, version string) error {
	h := http.Header{}
	if err := signer.sign(h, body, version); err != nil {
		return err
	}
	code, err := outbound.Post(ctx, client, to, body, h)
	if err != nil {
		return errors.New("a callback did not answer")
	}
	if code < 200 || code > 299 {
		return fmt.Errorf("a callback answered %d", code)
	}
	return nil
}
