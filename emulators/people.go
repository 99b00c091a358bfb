package main

import (
	"context"
	"strconv"
	"time"

	"cloud.google.com/go/firestore"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/shared/staff"
)

// demoStaff is a member of staff that every local system has; its ID tokens are to be
// had at $LETHE_STAFF_ISSUER/token?email=….
const demoStaff = "security@localhost"

// rootStaff is the first privacy officer, who enters the other members.
const rootStaff = "root@localhost"

// startPeople starts what stands for mail and for Google's accounts, and returns the
// variables by which functions find them.
func (s *system) startPeople() (env map[string]string, err error) {
	if s.mailbox, err = local.StartMailbox(); err != nil {
		return nil, err
	}
	if s.issuer, err = local.StartIssuer(); err != nil {
		return nil, err
	}
	return map[string]string{
		"LETHE_SMTP_HOST":       s.mailbox.Host,
		"LETHE_SMTP_PORT":       strconv.Itoa(s.mailbox.Port),
		"LETHE_SMTP_PLAIN":      "true",
		"LETHE_MAIL_FROM":       "lethe@localhost",
		"LETHE_SECURITY_MAIL":   demoStaff,
		"LETHE_STAFF_AUDIENCE":  local.StaffAudience,
		"LETHE_STAFF_ISSUER":    s.issuer.URL,
		"LETHE_STAFF_CERTS_URL": s.issuer.CertsURL(),
		"LETHE_STAFF_ROOT":      rootStaff,
		"LETHE_STAFF_AUTH_URL":  s.issuer.URL + "/auth",
		"LETHE_STAFF_TOKEN_URL": s.issuer.URL + "/oauth/token",

		"LETHE_STAFF_CLIENT_SECRET": local.StaffSecret,
	}, nil
}

// setUpStaff stores the member.
func setUpStaff(ctx context.Context, db *firestore.Client) error {
	now := time.Now().UTC()
	_, err := staff.Ref(db, demoStaff).Set(ctx, staff.Member{Role: staff.Security, TrainingAt: now, Confidentiality: staff.Confidentiality{Version: "1", At: now}})
	return err
}
