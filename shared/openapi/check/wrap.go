package check

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// maxCopy is how much of a body is looked at; a longer one is not checked.
const maxCopy = 32 << 20

// Wrap is a handler whose requests and answers are checked. It calls violated, perhaps
// from several goroutines at a time, with the method, the path of the description and
// the reason.
func (s *Spec) Wrap(h http.Handler, violated func(error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		o := s.find(r)
		if o == nil {
			h.ServeHTTP(w, r)
			return
		}
		in := &copied{}
		if r.Body != nil && r.Body != http.NoBody {
			r = r.WithContext(r.Context()) // a copy
			r.Body = &body{r.Body, in}
		}
		out := &recorder{ResponseWriter: w, body: &copied{}}
		h.ServeHTTP(out, r)
		if out.code == 0 && r.Context().Err() != nil {
			return // the client went before the answer
		}
		if out.code == 0 {
			out.code = http.StatusOK
		}
		if err := o.check(r, in, out); err != nil {
			violated(fmt.Errorf("%s %s answered %d: %w", o.method, o.path, out.code, err))
		}
	})
}

func (o *operation) check(r *http.Request, in *copied, out *recorder) error {
	if answer, all := out.body.bytes(); all {
		if err := o.answer(r, out.code, out.Header(), answer); err != nil {
			return err
		}
	}
	if out.code >= http.StatusBadRequest {
		return nil
	}
	request, all := in.bytes()
	if !all {
		return nil
	}
	if bytes.HasPrefix(request, []byte{0x1f, 0x8b}) {
		zr, err := gzip.NewReader(bytes.NewReader(request))
		if err != nil {
			return fmt.Errorf("body of the request: %w", err)
		}
		if request, err = io.ReadAll(zr); err != nil {
			return fmt.Errorf("body of the request: %w", err)
		}
	}
	return o.request(r, request)
}

// copied is the beginning of a body. A proxy may go on reading a request that has been
// answered.
type copied struct {
	sync.Mutex
	data []byte
	over bool
}

func (c *copied) add(b []byte) {
	c.Lock()
	defer c.Unlock()
	if c.over = c.over || len(c.data)+len(b) > maxCopy; !c.over {
		c.data = append(c.data, b...)
	}
}

func (c *copied) bytes() (data []byte, all bool) {
	c.Lock()
	defer c.Unlock()
	return c.data, !c.over
}

type body struct {
	io.ReadCloser
	copy *copied
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	b.copy.add(p[:n])
	return n, err
}

type recorder struct {
	http.ResponseWriter
	code int
	body *copied
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 && code >= http.StatusOK {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Write implements http.ResponseWriter.
func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	r.body.add(b)
	return r.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController reach the connection.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }
