package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// commandGrace is how long COMMAND may take to end after a signal to us.
const commandGrace = 10 * time.Second

// runCommand runs COMMAND to its end and returns its status.
func (s *system) runCommand(ctx context.Context, command []string, sig *signals) (int, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.Env = append(os.Environ(), s.commandEnv()...)
	terminal := onTerminal()
	if terminal {
		// It stays in the terminal's foreground group, or it could not read.
		sig.ignoreInterrupt.Store(true)
		defer sig.ignoreInterrupt.Store(false)
	} else {
		s.reaper.Adopt(cmd)
	}
	if err := cmd.Start(); err != nil {
		return 127, fmt.Errorf("run the command: %w", err)
	}
	if terminal {
		if err := s.reaper.Watch(cmd.Process.Pid); err != nil {
			return 1, errors.Join(err, cmd.Process.Kill())
		}
	}
	ended := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the state is read below
		close(ended)
	}()
	select {
	case <-ended:
		return status(cmd.ProcessState), nil
	case err := <-s.failed():
		_ = cmd.Process.Kill()
		<-ended
		return 1, err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM) // an error means that it has ended
	select {
	case <-ended:
	case <-time.After(commandGrace):
		_ = cmd.Process.Kill()
		<-ended
	}
	return status(cmd.ProcessState), nil
}

// status is the exit status by a shell's rule: 128 + n for signal n.
func status(p *os.ProcessState) int {
	if w, ok := p.Sys().(syscall.WaitStatus); ok && w.Signaled() {
		return 128 + int(w.Signal())
	}
	return p.ExitCode()
}

// onTerminal reports whether standard input is our terminal, with us in front.
func onTerminal() bool {
	group, err := unix.IoctlGetInt(int(os.Stdin.Fd()), unix.TIOCGPGRP)
	return err == nil && group == syscall.Getpgrp()
}
