package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/gcp"
	"github.com/lethe-analytics/lethe/shared/project"
)

// demoProject is the customer's project that every local system has.
const demoProject = "demo"

// demo holds its credentials.
type demo struct {
	Token string `json:"token"`
	Key   string `json:"key"`
}

// setUpDemo creates the demo project with a token and a key, the kept ones if
// there are any.
func setUpDemo(ctx context.Context, c gcp.Config, file string) (demo, error) {
	db, err := gcp.OpenDatabases(context.WithoutCancel(ctx), c)
	if err != nil {
		return demo{}, err
	}
	defer db.Default.Close()
	defer db.Edge.Close()
	_, err = project.Create(ctx, db, project.Project{ID: demoProject, Name: "Demo"})
	if err != nil && fault.Of(err) != fault.Conflict {
		return demo{}, err
	}
	if err := acceptDPA(ctx, db); err != nil {
		return demo{}, err
	}
	if err := setUpStaff(ctx, db.Default); err != nil {
		return demo{}, err
	}
	d, err := readDemo(file)
	if errors.Is(err, os.ErrNotExist) {
		return newDemo(ctx, db, file)
	}
	if err != nil {
		return demo{}, err
	}
	return d, errors.Join(
		project.AddToken(ctx, db, d.Token, project.Token{Project: demoProject}),
		project.AddKey(ctx, db.Default, d.Key, project.Key{Project: demoProject, Role: project.Admin}),
	)
}

// acceptDPA lets the demo project accept the DPA of the local system: its events would
// be refused otherwise.
func acceptDPA(ctx context.Context, db gcp.Databases) error {
	dpa, err := local.PublishDPA(ctx, db)
	if err != nil {
		return err
	}
	return project.AcceptDPA(ctx, db, demoProject, project.Signature{Version: dpa.Version, Name: "Demo", Role: "developer"})
}

func readDemo(file string) (demo, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return demo{}, err
	}
	var d demo
	if err := json.Unmarshal(text, &d); err != nil || d.Token == "" || d.Key == "" {
		return demo{}, fmt.Errorf("%s does not hold the demo project's credentials; remove it to get new ones", file)
	}
	return d, nil
}

func newDemo(ctx context.Context, db gcp.Databases, file string) (d demo, err error) {
	if d.Token, err = project.NewToken(ctx, db, demoProject); err != nil {
		return demo{}, err
	}
	if d.Key, err = project.NewKey(ctx, db.Default, demoProject, project.Admin); err != nil {
		return demo{}, err
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return demo{}, err
	}
	return d, os.WriteFile(file, append(text, '\n'), 0o600)
}

// commandEnv is what COMMAND gets beside the variables of the emulators.
func (s *system) commandEnv() []string {
	return []string{
		"LETHE_URL=" + s.url,
		"LETHE_PROJECT=" + demoProject,
		"LETHE_TOKEN=" + s.demo.Token,
		"LETHE_KEY=" + s.demo.Key,
		"LETHE_CONTROL=" + s.control,
	}
}
