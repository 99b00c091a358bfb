//go:build !linux

package local

import "net"

// ReservePort picks a free TCP port of 127.0.0.1. Other systems than Linux do not
// let a child bind a port that is held for it, so that somebody else may take it
// first; the child then fails to start.
func ReservePort() (port int, release func(), err error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, nil, err
	}
	return l.Addr().(*net.TCPAddr).Port, func() {}, l.Close()
}
