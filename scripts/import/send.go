package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/klauspost/compress/gzip"

	"github.com/lethe-analytics/lethe/shared/event"
)

// How a request is tried again: for some five minutes, longer if the server says so.
const (
	tries    = 14
	minPause = 250 * time.Millisecond
	maxPause = 30 * time.Second
	timeout  = 2 * time.Minute // of one try
)

// maxAnswer bounds an answer: a whole batch that is refused, with a reason each.
const maxAnswer = 8 << 20

// sender sends batches.
type sender struct {
	client     *retryablehttp.Client
	url, token string
}

func newSender(o options) *sender {
	c := retryablehttp.NewClient()
	c.Logger, c.RetryMax, c.RetryWaitMin, c.RetryWaitMax = nil, tries-1, minPause, maxPause
	c.HTTPClient.Timeout = timeout
	c.ErrorHandler = retryablehttp.PassthroughErrorHandler // the last answer says why
	c.CheckRetry = func(ctx context.Context, res *http.Response, err error) (bool, error) {
		if err == nil && res.StatusCode == http.StatusRequestTimeout {
			return true, ctx.Err()
		}
		return retryablehttp.DefaultRetryPolicy(ctx, res, err) // 429, 5xx, no answer
	}
	return &sender{client: c, url: strings.TrimRight(o.url, "/") + "/import?strict=1", token: o.token}
}

// send sends a batch until it is stored, and says which of its records are refused.
func (s *sender) send(ctx context.Context, body []byte) (refused []event.Failure, err error) {
	var packed bytes.Buffer
	zw := gzip.NewWriter(&packed)
	if _, err := zw.Write(body); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	if err := zw.Close(); err != nil {
		return nil, fmt.Errorf("compress: %w", err)
	}
	r, err := retryablehttp.NewRequestWithContext(ctx, http.MethodPost, s.url, packed.Bytes())
	if err != nil {
		return nil, fmt.Errorf("LETHE_URL: %w", err)
	}
	r.SetBasicAuth(s.token, "")
	r.Header.Set("Content-Type", "application/x-ndjson")
	r.Header.Set("Content-Encoding", "gzip")
	res, err := s.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("send: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	var answer struct {
		Error  string          `json:"error"`
		Detail string          `json:"detail"` // of a problem
		Failed []event.Failure `json:"failed_records"`
	}
	if json.Unmarshal(text, &answer) != nil {
		return nil, fmt.Errorf("the server answers %s, not as Lethe does; is LETHE_URL right?", res.Status)
	}
	if res.StatusCode == http.StatusOK || res.StatusCode == http.StatusBadRequest && len(answer.Failed) > 0 {
		return answer.Failed, nil
	}
	return nil, errors.New("the server answers " + res.Status + ": " + answer.Error + answer.Detail)
}
