package local

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// component is one of Google's emulators.
type component struct {
	name string // of the gcloud component
	jar  string // pattern of its path under the SDK's root
}

var (
	firestoreEmulator = component{"cloud-firestore-emulator", "platform/cloud-firestore-emulator/cloud-firestore-emulator.jar"}
	pubsubEmulator    = component{"pubsub-emulator", "platform/pubsub-emulator/lib/cloud-pubsub-emulator-*-all.jar"}
)

// javaFlags suit a process that lives briefly on few cores. Measured on two: a
// start takes 1.7 s of CPU instead of 2.5, and writes go twice as fast, because
// neither the optimizing compiler nor a parallel collector takes cores away.
var javaFlags = []string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.language=en"}

// CheckTools reports everything that is missing for Google's emulators to run,
// and how to install it.
func CheckTools(ctx context.Context) error {
	_, _, err := findTools(ctx, firestoreEmulator, pubsubEmulator)
	return err
}

// findTools finds java and the jars of emulators, which are run without gcloud:
// it would put two processes above them that do not pass signals on.
func findTools(ctx context.Context, components ...component) (java string, jars []string, err error) {
	var errs []error
	if java, err = exec.LookPath("java"); err != nil {
		errs = append(errs, errors.New("java is not installed (PATH has none); Google's emulators run on it. Install it:\n"+
			"    apt-get install default-jre-headless"))
	}
	root, err := sdkRoot(ctx)
	if err != nil {
		return "", nil, errors.Join(append(errs, err)...)
	}
	for _, c := range components {
		found, err := filepath.Glob(filepath.Join(root, c.jar))
		if err != nil || len(found) == 0 {
			errs = append(errs, fmt.Errorf("the gcloud SDK in %s has no %s. Install it:\n"+
				"    apt-get install google-cloud-cli-%s   (if the SDK came by apt), or\n"+
				"    gcloud components install %s", root, c.name, strings.TrimPrefix(c.name, "cloud-"), c.name))
			continue
		}
		jars = append(jars, found[len(found)-1])
	}
	return java, jars, errors.Join(errs...)
}

// sdkRoot is where the gcloud SDK is installed.
func sdkRoot(ctx context.Context) (string, error) {
	gcloud, err := exec.LookPath("gcloud")
	if err != nil {
		return "", errors.New("gcloud, the Google Cloud SDK, is not installed (PATH has none); the Firestore and Pub/Sub emulators are parts of it. Install them:\n" +
			"    apt-get install google-cloud-cli google-cloud-cli-firestore-emulator google-cloud-cli-pubsub-emulator\n" +
			"  (https://cloud.google.com/sdk/docs/install says how to add Google's package source)")
	}
	// Asking gcloud costs a second; usually its real place tells the same.
	if real, err := filepath.EvalSymlinks(gcloud); err == nil {
		root := filepath.Dir(filepath.Dir(real))
		if info, err := os.Stat(filepath.Join(root, "platform")); err == nil && info.IsDir() {
			return root, nil
		}
	}
	out, err := exec.CommandContext(ctx, gcloud, "info", "--format=value(installation.sdk_root)").Output()
	if err != nil {
		return "", fmt.Errorf("gcloud info: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}
