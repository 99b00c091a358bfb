package local

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// classes is an archive of an emulator's classes as a JVM has loaded and verified them,
// which halves the next start of it (1.0 s of CPU instead of 2.0 for Firestore's, 0.8
// instead of 1.4 for Pub/Sub's). The first process that is stopped in order writes it.
//
// https://docs.oracle.com/en/java/javase/17/vm/class-data-sharing.html
type classes struct {
	file string
	made string // what this process writes at its end, if there is none yet
}

// sharedClasses is the archive of a jar in the user's cache. Without such a cache there
// is none.
func sharedClasses(java, jar string) classes {
	dir, err := os.UserCacheDir()
	if err != nil {
		return classes{}
	}
	c, err := classesIn(filepath.Join(dir, "lethe"), java, jar)
	if err != nil {
		return classes{} // it is a matter of speed alone
	}
	return c
}

// classesIn is the archive of a jar in a directory, for this build of either: one of
// another would be of no use.
func classesIn(dir, java, jar string) (classes, error) {
	builds := sha256.New()
	for _, file := range []string{java, jar} {
		real, err := filepath.EvalSymlinks(file)
		if err != nil {
			return classes{}, err
		}
		info, err := os.Stat(real)
		if err != nil {
			return classes{}, err
		}
		fmt.Fprintln(builds, real, info.Size(), info.ModTime().UnixNano())
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return classes{}, err
	}
	name := filepath.Base(jar) + "-" + hex.EncodeToString(builds.Sum(nil)[:8])
	c := classes{file: filepath.Join(dir, name+".jsa")}
	if _, err := os.Stat(c.file); err != nil {
		c.made = filepath.Join(dir, fmt.Sprintf("%s.%d-%d", name, os.Getpid(), time.Now().UnixNano()))
	}
	return c, nil
}

// flags are those of the JVM.
func (c classes) flags() []string {
	switch {
	case c.made != "":
		return []string{"-XX:ArchiveClassesAtExit=" + c.made}
	case c.file != "":
		return []string{"-XX:SharedArchiveFile=" + c.file}
	}
	return nil
}

// end ends a process that has these flags. It keeps nothing on disk but its archive.
func (c classes) end(p *Process) {
	if c.made == "" {
		p.Kill()
		return
	}
	p.Stop(archiveTime)
	if !p.cmd.ProcessState.Exited() || os.Rename(c.made, c.file) != nil { // killed: it is not whole
		_ = os.Remove(c.made)
	}
}

// archiveTime is how long the writing of an archive may take; it is some seconds.
const archiveTime = 20 * time.Second
