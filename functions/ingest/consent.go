package ingest

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lethe-analytics/lethe/shared/consent"
	"github.com/lethe-analytics/lethe/shared/event"
	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/identity"
	"github.com/lethe-analytics/lethe/shared/person"
	"github.com/lethe-analytics/lethe/shared/web"
)

// maxConsentBody bounds the body of POST /consent.
const maxConsentBody = 32 << 10

// fromSDK is the source of what is said with a token.
const fromSDK = "sdk"

// consentBody is the body of POST /consent.
type consentBody struct {
	Token         string                   `json:"token"`
	DistinctID    string                   `json:"distinct_id"`
	State         consent.State            `json:"state"`
	Purposes      map[string]consent.State `json:"purposes"`
	Basis         string                   `json:"basis"`
	NoticeVersion string                   `json:"notice_version"`
	Proof         string                   `json:"proof"` // of the distinct_id
}

// idHeader names a person in GET /consent, percent-encoded, and proofHeader proves that
// it is the caller's: unlike a URL they are in no log.
const (
	idHeader    = "Lethe-Distinct-Id"
	proofHeader = "Lethe-Identity-Proof"
)

// consentAnswer is the answer of POST /consent.
type consentAnswer struct {
	State consent.State `json:"state"`
}

// standing is the answer of GET /consent: all that a holder of a token is told.
type standing struct {
	State   consent.State `json:"state"`
	Default consent.State `json:"default"` // what unset stands for in this request
}

// consent answers /consent, by which an SDK says or asks whether a person may be
// recorded.
func (s *server) consent(w http.ResponseWriter, r *http.Request) error {
	switch r.Method {
	case http.MethodPost:
		return s.setConsent(w, r)
	case http.MethodGet:
		return s.getConsent(w, r)
	}
	w.Header().Set("Allow", "GET, POST, OPTIONS")
	return fault.New(fault.Method, "use POST or GET")
}

// setConsent publishes what is said; store keeps it. This process heeds it at
// once, the others once their caches are old.
func (s *server) setConsent(w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	inQuery, _ := q.One("token")
	if err := q.Err(); err != nil {
		return err
	}
	var body consentBody
	if err := web.ReadJSON(w, r, maxConsentBody, &body); err != nil {
		return err
	}
	ctx := r.Context()
	t, err := s.consentTarget(ctx, cmp.Or(body.Token, inQuery), r)
	if err != nil {
		return err
	}
	if err := person.CheckID("distinct_id", body.DistinctID); err != nil {
		return err
	}
	said := person.Statement{
		State: body.State, Purposes: body.Purposes, Basis: body.Basis, NoticeVersion: body.NoticeVersion, Source: fromSDK,
	}
	now := rules()
	if _, err := said.Consent(now.Now.Time()); err != nil {
		return err
	}
	by, err := t.speaker(ctx, body.DistinctID, body.Proof, now.Now.Time())
	if err != nil {
		return err
	}
	if err := t.spend(w, now.Now.Time(), 1); err != nil {
		return err
	}
	value, err := json.Marshal(said)
	if err != nil {
		return fmt.Errorf("write a consent: %w", err)
	}
	op := event.Op{DistinctID: body.DistinctID, Name: person.ConsentOp, Value: string(value), Received: now.Now, Request: now.Nonce, Speaker: by}
	err = s.group.Commit(ctx, t.project, 1, func(payload []byte, _ int) []byte { return event.AppendOp(payload, &op) })
	if err != nil {
		return err
	}
	s.intake.heed(ctx, t, body.DistinctID, said.State, by)
	writeJSON(w, http.StatusAccepted, consentAnswer{said.State})
	return nil
}

// getConsent tells what was said under an anonymous identity, as far as it has been stored,
// and what holds for whoever has said nothing; without a distinct_id only that. Of a user
// it tells, without reading anything, what it tells of who has said nothing, but for a
// proof.
func (s *server) getConsent(w http.ResponseWriter, r *http.Request) error {
	q := web.ParseQuery(r)
	token, _ := q.One("token")
	distinctID, _ := q.One("distinct_id")
	asked := len(q.All("distinct_id")) > 0
	if err := q.Err(); err != nil {
		return err
	}
	if h := r.Header.Get(idHeader); h != "" && !asked {
		var err error
		if distinctID, err = url.PathUnescape(h); err != nil {
			return fault.New(fault.Invalid, "the header %s must be percent-encoded", idHeader)
		}
		asked = true
	}
	t, err := s.consentTarget(r.Context(), token, r)
	if err != nil {
		return err
	}
	answer := standing{consent.Unset, t.Consent.ForRequest(r.Header)}
	if !asked {
		writeJSON(w, http.StatusOK, answer)
		return nil
	}
	if err := person.CheckID("distinct_id", distinctID); err != nil {
		return err
	}
	by, err := t.speaker(r.Context(), distinctID, r.Header.Get(proofHeader), time.Now())
	if err != nil {
		return err
	}
	if identity.Judge(askOf(distinctID, t.UserIDs), by) == identity.Taken {
		docs, err := s.intake.optOuts(r.Context(), t, []string{distinctID})
		if err != nil {
			return err
		}
		answer.State = cmp.Or(docs[0].Own, consent.Unset)
		if by != event.ByToken {
			answer.State = docs[0].State
		}
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// askOf is the row of the rule for who asks what an identity has said.
func askOf(distinctID string, ids identity.UserIDs) identity.Said {
	switch identity.FormOf(distinctID, ids) {
	case identity.Device, identity.Either:
		return identity.ConsentAskOwn
	}
	return identity.ConsentAskUser
}

// consentTarget finds the project of a token, which may also come as that of
// HTTP Bearer, or as user name of HTTP Basic.
func (s *server) consentTarget(ctx context.Context, token string, r *http.Request) (*target, error) {
	if token == "" {
		if user, _, ok := r.BasicAuth(); ok {
			token = user
		} else if scheme, bearer, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Bearer") {
			token = strings.TrimSpace(bearer)
		}
	}
	t, err := s.intake.target(ctx, token)
	if err != nil {
		return nil, err
	}
	if t == nil || t.user != "" { // a service account's secret is no token
		noteRefused(r, token)
		return nil, fault.New(fault.Unauthorized, "the token is missing or unknown")
	}
	// A person's word is taken whatever the project has accepted.
	return t, t.checkOrigin(r)
}
