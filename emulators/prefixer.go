package main

import (
	"bytes"
	"io"
	"sync"
)

// prefixer writes whole lines, each with the name of who wrote it.
type prefixer struct {
	prefix string
	out    io.Writer

	mu   sync.Mutex
	part []byte // a line not yet ended
}

// maxPart is where a line without an end is broken.
const maxPart = 64 << 10

// Write implements io.Writer.
func (p *prefixer) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.part = append(p.part, b...)
	var lines []byte
	for {
		line, rest, ended := bytes.Cut(p.part, []byte("\n"))
		if !ended && len(line) < maxPart {
			break
		}
		lines = append(append(append(lines, p.prefix...), line...), '\n')
		p.part = rest
	}
	p.part = append([]byte(nil), p.part...)
	if len(lines) > 0 {
		if _, err := p.out.Write(lines); err != nil {
			return 0, err
		}
	}
	return len(b), nil
}
