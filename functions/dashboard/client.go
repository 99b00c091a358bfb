package dashboard

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxAnswer bounds an answer of the API, in bytes: the API's own bound.
const maxAnswer = 32 << 20

// client calls the API as the visitor.
type client struct {
	http    *http.Client
	base    string
	secret  string // of a session; at sign-in, a key or an ID token
	project string // that staff look at; empty for a key's session
}

// problem is an answer of the API that is an error; its text is for the visitor.
type problem struct{ web.Problem }

// Error implements error.
func (p *problem) Error() string { return fmt.Sprintf("the API answers %d: %s", p.Status, p.Title) }

// Field is what is wrong with a field of the request; empty if nothing is.
func (p *problem) Field(name string) string {
	if p != nil {
		for _, f := range p.Errors {
			if f.Name == name {
				return f.Detail
			}
		}
	}
	return ""
}

// get asks for a path with a query and decodes the JSON answer.
func (c *client) get(ctx context.Context, path string, query url.Values, into any) error {
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	return c.send(ctx, http.MethodGet, path, nil, into)
}

// send makes a call with a JSON body (nil: none) and decodes the JSON answer (nil: not of
// interest). What the API refuses comes back as a *problem. Parts of a path are escaped
// by the caller, with url.PathEscape.
func (c *client) send(ctx context.Context, method, path string, body, into any) error {
	resp, err := c.do(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if err != nil {
		return unreachable(method, err)
	}
	if len(text) > maxAnswer {
		return fault.New(fault.Internal, "an answer of the API is over %d bytes", maxAnswer)
	}
	if into == nil {
		return nil
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fault.Wrap(fault.Internal, errors.New("not the JSON that is expected"), "decode an answer of the API")
	}
	return nil
}

// do makes a call and leaves the answer's body to the caller, who closes it: for what is
// passed on, such as a download.
func (c *client) do(ctx context.Context, method, path string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, fmt.Errorf("encode a request: %w", err)
		}
		content = bytes.NewReader(text)
	}
	r, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	r.Header.Set("Authorization", "Bearer "+c.secret)
	if id := web.RequestID(ctx); id != "" {
		r.Header.Set("X-Request-Id", id)
	}
	if c.project != "" {
		r.Header.Set("Lethe-Project", c.project)
	}
	resp, err := c.http.Do(r)
	if err != nil {
		return nil, unreachable(method, err)
	}
	if resp.StatusCode < 300 {
		return resp, nil
	}
	defer resp.Body.Close()
	return nil, readProblem(resp)
}

// unreachable is the fault of an API that does not answer. The error of net/http quotes
// the URL, which may name a person: only its cause is kept. What was asked for may have
// been done all the same.
func unreachable(method string, err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	if method == http.MethodGet {
		return fault.Wrap(fault.Unavailable, err, "The API did not answer. Nothing was changed; try again in a moment.")
	}
	return fault.Wrap(fault.Unavailable, err, "The API did not answer: it may or may not have done what you asked for. Look, before you ask again.")
}

func readProblem(resp *http.Response) error {
	p := &problem{web.Problem{Status: resp.StatusCode, Title: http.StatusText(resp.StatusCode)}}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return unreachable(resp.Request.Method, err)
	}
	if kind == "application/problem+json" {
		if err := json.Unmarshal(text, &p.Problem); err != nil {
			return fault.Wrap(fault.Internal, err, "decode a problem of the API")
		}
	}
	p.Status = resp.StatusCode
	return p
}
