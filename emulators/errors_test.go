package main

import (
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestAddressTaken(t *testing.T) {
	t.Parallel()
	ln, err := net.Listen("tcp", "localhost:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	for addr, want := range map[string]string{
		ln.Addr().String(): ln.Addr().String() + " is taken (perhaps by another run of this program); choose another address with -addr",
		"nowhere":          "-addr nowhere: ",
	} {
		p := emulators(t, "-addr", addr)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		if code := p.end(t); code != 1 || !strings.Contains(p.stderr.String(), want) {
			t.Errorf("%s: status %d, standard error %s", addr, code, p.stderr)
		}
	}
}

// TestMissingTools says what to install.
func TestMissingTools(t *testing.T) {
	t.Parallel()
	java, err := exec.LookPath("java")
	if err != nil {
		t.Fatal(err)
	}
	bare, withJava, withSDK := t.TempDir(), t.TempDir(), t.TempDir()
	link := func(from, to string) {
		t.Helper()
		if err := os.Symlink(from, to); err != nil {
			t.Fatal(err)
		}
	}
	link(java, filepath.Join(withJava, "java"))
	link(java, filepath.Join(withSDK, "java"))
	// An SDK without emulators.
	for _, dir := range []string{"sdk/bin", "sdk/platform"} {
		if err := os.MkdirAll(filepath.Join(withSDK, dir), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(withSDK, "sdk/bin/gcloud"), []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	link(filepath.Join(withSDK, "sdk/bin/gcloud"), filepath.Join(withSDK, "gcloud"))
	const installJava = "apt-get install default-jre-headless"
	const installSDK = "apt-get install google-cloud-cli google-cloud-cli-firestore-emulator google-cloud-cli-pubsub-emulator"
	for _, c := range []struct {
		path string
		want []string
		not  string
	}{
		{bare, []string{installJava, installSDK}, "no such file"},
		{withJava, []string{installSDK}, installJava},
		{withSDK, []string{"gcloud components install pubsub-emulator", "gcloud components install cloud-firestore-emulator"}, installJava},
	} {
		p := emulators(t, "-addr", "localhost:0")
		p.Env = append(p.Env, "PATH="+c.path)
		if err := p.Start(); err != nil {
			t.Fatal(err)
		}
		code := p.end(t)
		if got := p.stderr.String(); code != 1 || !containsAll(got, c.want) || strings.Contains(got, c.not) {
			t.Errorf("PATH=%s: status %d, want %q in, %q not in:\n%s", c.path, code, c.want, c.not, got)
		}
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"":                               "",
		"-addr localhost:0 -data d":      "",
		"-- sh -c x":                     "",
		"-addr :0 -- sh -- y":            "",
		"start":                          `unexpected argument "start"`,
		"-port 80":                       "flag provided but not defined: -port (-h shows the flags)",
		"-addr":                          "flag needs an argument",
		"--":                             "no command after --",
		"-- no-such-command-anywhere -x": `the command cannot be run: exec: "no-such-command-anywhere"`,
		"-h":                             "flag: help requested",
	} {
		var help strings.Builder
		o, err := parseOptions(strings.Fields(args), &help)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("%q: %+v, %v; want error %q", args, o, err, want)
		}
		if (args == "-h") != strings.HasPrefix(help.String(), "Usage: go run ./emulators") {
			t.Errorf("%q: help %q", args, help.String())
		}
	}
}
