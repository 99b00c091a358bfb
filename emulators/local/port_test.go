package local

import (
	"fmt"
	"net"
	"testing"
)

// TestReservePort shows that a reserved port goes to who names it, and to nobody
// who asks for any.
func TestReservePort(t *testing.T) {
	t.Parallel()
	reserved := map[int]bool{}
	for range 200 {
		port, release, err := ReservePort()
		if err != nil {
			t.Fatal(err)
		}
		defer release()
		if reserved[port] {
			t.Fatalf("port %d was given twice", port)
		}
		reserved[port] = true
	}
	for range 2000 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		if port := l.Addr().(*net.TCPAddr).Port; reserved[port] {
			t.Fatalf("the reserved port %d was given away", port)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	for port := range reserved {
		for range 2 { // a server that is started again
			l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
			if err != nil {
				t.Fatal(err)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
	}
}
