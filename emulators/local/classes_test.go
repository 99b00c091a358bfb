package local

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// The first process of a jar writes the archive that the next one runs with; that of
// another build of the jar has one of its own. What a killed one has begun is of no use.
func TestClasses(t *testing.T) {
	t.Parallel()
	java, err := exec.LookPath("java")
	if err != nil {
		t.Fatal(err)
	}
	dir, jar := t.TempDir(), filepath.Join(t.TempDir(), "a.jar")
	if err := os.WriteFile(jar, []byte("a"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := TestReaper(t)
	run := func(more ...string) string {
		t.Helper()
		c, err := classesIn(dir, java, jar)
		if err != nil {
			t.Fatal(err)
		}
		p, err := r.Start("java", exec.Command(java, append(append(c.flags(), more...), "-version")...), nil)
		if err != nil {
			t.Fatal(err)
		}
		<-p.Done()
		c.end(p)
		if !p.cmd.ProcessState.Success() {
			t.Fatal(p.Err())
		}
		return c.made
	}
	killed, err := classesIn(dir, java, jar)
	if err != nil {
		t.Fatal(err)
	}
	p, err := r.Start("java", exec.Command("sleep", "1000"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(killed.made, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.Kill()
	killed.end(p)
	if run() == "" {
		t.Error("there is an archive before the first, or one that is half written")
	}
	if run("-Xshare:on") != "" { // fails without a sound archive
		t.Error("the second makes an archive too")
	}
	if err := os.WriteFile(jar, []byte("other"), 0o600); err != nil {
		t.Fatal(err)
	}
	if run() == "" {
		t.Error("the archive of another build is used")
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 2 {
		t.Errorf("%v, %v", files, err)
	}
}
