package local

import (
	"io"
	"net"
	"sync"
)

// gate is a TCP forwarder that can be shut: then it cuts every connection and
// accepts no other. It gives an emulator an address that outlives its process.
type gate struct {
	ln net.Listener

	mu     sync.Mutex
	target string // empty while shut
	conns  map[net.Conn]struct{}
}

func newGate(target string) (*gate, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	g := &gate{ln: ln, target: target, conns: map[net.Conn]struct{}{}}
	go g.serve()
	return g, nil
}

func (g *gate) addr() string { return g.ln.Addr().String() }

func (g *gate) serve() {
	for {
		client, err := g.ln.Accept()
		if err != nil {
			return // closed
		}
		go g.forward(client)
	}
}

// forward copies both ways until either side ends.
func (g *gate) forward(client net.Conn) {
	defer client.Close()
	server := g.dial(client)
	if server == nil {
		return
	}
	defer g.forget(client, server)
	done := make(chan struct{}, 2)
	for _, c := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(c[0], c[1]) // its error is the end of a connection
			done <- struct{}{}
		}()
	}
	<-done
}

// dial connects to the target and notes the pair, or returns nil if the gate is shut.
func (g *gate) dial(client net.Conn) net.Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.target == "" {
		return nil
	}
	server, err := net.Dial("tcp", g.target) // a port of this machine: answered at once
	if err != nil {
		return nil
	}
	g.conns[client], g.conns[server] = struct{}{}, struct{}{}
	return server
}

func (g *gate) forget(conns ...net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
		delete(g.conns, c)
	}
}

// shut cuts all connections; later ones are cut at once.
func (g *gate) shut() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.target = ""
	for c := range g.conns {
		_ = c.Close()
	}
}

// open lets connections through to a target again.
func (g *gate) open(target string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.target = target
}

func (g *gate) close() {
	g.shut()
	_ = g.ln.Close()
}
