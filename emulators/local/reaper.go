package local

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// reaperScript is the leader of the process group of all children. It waits for
// the end of its input, which comes when the parent closes the pipe or dies in
// whatever way, SIGKILL included; then it removes the temporary directory and
// kills the group. Lines of its input name processes outside the group to kill.
const reaperScript = `
trap '' INT TERM HUP QUIT
while read -r pid; do others="$others $pid"; done
/bin/rm -rf -- "$1"
for pid in $others; do kill -9 "$pid"; done
kill -9 0
`

// Reaper owns a process group and a temporary directory, and ends both with this
// process. A child belongs to the group from its first instruction, so there is
// no moment at which it could escape.
type Reaper struct {
	Dir string // temporary directory, gone with the children

	cmd  *exec.Cmd
	pipe *os.File
}

// NewReaper starts a group without members.
func NewReaper() (*Reaper, error) {
	dir, err := os.MkdirTemp("", "lethe-")
	if err != nil {
		return nil, err
	}
	r, w, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, os.RemoveAll(dir))
	}
	defer r.Close()
	cmd := exec.Command("/bin/sh", "-c", reaperScript, "lethe-reaper", dir)
	cmd.Stdin = r // standard output and error are /dev/null: whoever waits for ours must not wait for the reaper
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		return nil, errors.Join(fmt.Errorf("start reaper: %w", err), w.Close(), os.RemoveAll(dir))
	}
	return &Reaper{Dir: dir, cmd: cmd, pipe: w}, nil
}

// Adopt makes a command, not yet started, a member of the group.
func (r *Reaper) Adopt(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pgid: r.cmd.Process.Pid}
}

// Watch adds a process outside the group to those that end with this process.
// It is for a process that must stay in the terminal's foreground group.
func (r *Reaper) Watch(pid int) error {
	_, err := fmt.Fprintln(r.pipe, pid)
	return err
}

// Close kills what is left of the group and waits for the end of it.
func (r *Reaper) Close() {
	// Errors would mean that the reaper is gone already.
	_ = r.pipe.Close()
	_ = r.cmd.Wait()
}
