package web_test

import (
	"bytes"
	"errors"
	"io"
	"net/http/httptest"
	"testing"

	"github.com/lethe-analytics/lethe/shared/web"
)

// A request that announces much and sends nothing takes little memory, while one
// that sends all of it is read.
func TestMemoryFollowsTheBody(t *testing.T) {
	t.Parallel()
	const limit = 16 << 20
	var buf bytes.Buffer
	r := httptest.NewRequest("POST", "/", io.MultiReader(bytes.NewReader([]byte("x")), failing{}))
	r.ContentLength = limit
	if _, err := web.ReadBodyInto(&buf, httptest.NewRecorder(), r, limit, func() error { return nil }); err == nil {
		t.Error("a body that ended early was read")
	}
	if buf.Cap() > limit/8 {
		t.Errorf("%d bytes of memory for a body of one", buf.Cap())
	}
	whole := bytes.Repeat([]byte("y"), limit)
	if got, err := web.ReadBody(httptest.NewRecorder(), httptest.NewRequest("POST", "/", bytes.NewReader(whole)), limit); err != nil || !bytes.Equal(got, whole) {
		t.Errorf("read %d bytes of %d: %v", len(got), len(whole), err)
	}
}

// failing is a connection that ends.
type failing struct{}

// Read implements io.Reader.
func (failing) Read([]byte) (int, error) { return 0, errors.New("gone") }
