package local

import (
	"fmt"
	"os"
	"syscall"
)

// ReservePort picks a free TCP port of 127.0.0.1. Until release, the kernel gives
// it to nobody who asks for any port, but a child may bind it by its number:
// the port is bound, not listened on, and SO_REUSEADDR is set (as every Go and
// Java server sets it).
func ReservePort() (port int, release func(), err error) {
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return 0, nil, fmt.Errorf("reserve a port: %w", os.NewSyscallError("socket", err))
	}
	release = func() { _ = syscall.Close(fd) } // nothing can be lost by it
	if err := syscall.SetsockoptInt(fd, syscall.SOL_SOCKET, syscall.SO_REUSEADDR, 1); err != nil {
		release()
		return 0, nil, fmt.Errorf("reserve a port: %w", os.NewSyscallError("setsockopt", err))
	}
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		release()
		return 0, nil, fmt.Errorf("reserve a port: %w", os.NewSyscallError("bind", err))
	}
	addr, err := syscall.Getsockname(fd)
	if err != nil {
		release()
		return 0, nil, fmt.Errorf("reserve a port: %w", os.NewSyscallError("getsockname", err))
	}
	return addr.(*syscall.SockaddrInet4).Port, release, nil
}
