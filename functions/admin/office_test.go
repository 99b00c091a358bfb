package admin_test

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lethe-analytics/lethe/emulators/local"
	"github.com/lethe-analytics/lethe/functions/admin"
	"github.com/lethe-analytics/lethe/shared/access"
	"github.com/lethe-analytics/lethe/shared/queue"
	"github.com/lethe-analytics/lethe/shared/receipt"
	"github.com/lethe-analytics/lethe/shared/staff"
	"github.com/lethe-analytics/lethe/shared/topology"
	"github.com/lethe-analytics/lethe/shared/web"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// Made once for all tests.
var (
	issuer = sync.OnceValues(local.StartIssuer)
	signer = sync.OnceValues(func() (*receipt.Signer, error) {
		dir, err := os.MkdirTemp("", "admin")
		if err != nil {
			return nil, err
		}
		defer os.RemoveAll(dir)
		file := filepath.Join(dir, "receipt-key.pem")
		if err := local.MakeReceiptKey(file); err != nil {
			return nil, err
		}
		return receipt.OpenFile(file)
	})
)

const root = "root@example.com"

// office is a world with staff in it, and one endpoint with a customer's data.
type office struct {
	*world
	issuer *local.Issuer
	signer *receipt.Signer
	guard  *access.Guard
}

func newOffice(t *testing.T) *office {
	t.Helper()
	o := &office{world: newWorld(t)}
	var err error
	if o.issuer, err = issuer(); err != nil {
		t.Fatal(err)
	}
	if o.signer, err = signer(); err != nil {
		t.Fatal(err)
	}
	v, err := staff.NewVerifier(t.Context(), staff.Config{Audience: local.StaffAudience, Issuer: o.issuer.URL, CertsURL: o.issuer.CertsURL(), Root: root})
	if err != nil {
		t.Fatal(err)
	}
	o.guard = access.NewGuard(o.Default, o.log).WithStaff(v)
	o.stores.Signer, o.stores.Webhooks = o.signer, queue.NewPublisher(o.ps, topology.TopicWebhooks, 30*time.Second)
	o.config.PublicURL = "https://api.example.com"
	o.api = admin.New(o.config, o.guard, o.stores)
	if _, err := webhook.Create(t.Context(), o.Default, o.Project.ID, "https://customer.example.com/hook", []string{webhook.GrantCreated, webhook.GrantApproved, webhook.GrantEnded}, false); err != nil {
		t.Fatal(err)
	}
	for email, role := range map[string]staff.Role{"sue@example.com": staff.Support, "pat@example.com": staff.PrivacyOfficer, "sam@example.com": staff.Security, "eve@example.com": staff.Engineer} {
		o.member(email, staff.Member{Role: role})
	}
	return o
}

// member stores one; what is not said of the attestations is as it must be.
func (o *office) member(email string, m staff.Member) {
	o.t.Helper()
	if m.Confidentiality.Version == "" {
		m.Confidentiality = staff.Confidentiality{Version: "1", At: time.Now()}
	}
	if m.TrainingAt.IsZero() {
		m.TrainingAt = time.Now()
	}
	if _, err := staff.Ref(o.Default, email).Set(o.t.Context(), m); err != nil {
		o.t.Fatal(err)
	}
}

func (o *office) token(email string) string {
	o.t.Helper()
	token, err := o.issuer.Token(email, nil)
	if err != nil {
		o.t.Fatal(err)
	}
	return token
}

// as calls a handler as a member of staff, about a project.
func (o *office) as(email string, h http.Handler, method, path, body string) *httptest.ResponseRecorder {
	o.t.Helper()
	r := httptest.NewRequestWithContext(o.t.Context(), method, path, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer "+o.token(email))
	r.Header.Set(access.ProjectHeader, o.Project.ID)
	rec := httptest.NewRecorder()
	if h == o.api {
		local.Serve(h, rec, r)
	} else { // one that a test has made
		h.ServeHTTP(rec, r)
	}
	return rec
}

// grant asks for a grant and has it approved.
func (o *office) grant(email, more string) admin.Grant {
	o.t.Helper()
	g := o.ask(email, more)
	if rec := o.as("pat@example.com", o.api, http.MethodPost, "/v1/grants/"+g.ID+"/approve", ""); rec.Code != http.StatusOK {
		o.t.Fatal(rec.Code, rec.Body)
	}
	return g
}

func (o *office) ask(email, more string) (g admin.Grant) {
	o.t.Helper()
	rec := o.as(email, o.api, http.MethodPost, "/v1/grants", `{"project":"app","reason":"asked to help","ticket":"T-1","duration":"4h"`+more+`}`)
	if rec.Code != http.StatusCreated {
		o.t.Fatal(rec.Code, rec.Body)
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &g); err != nil {
		o.t.Fatal(err)
	}
	return g
}

// data answers on an endpoint of the table by saying who asks.
func (o *office) data(method, path string) http.Handler {
	return web.Mux(o.guard.Route(method, path, tellActor))
}

func tellActor(_ context.Context, c *access.Call, w http.ResponseWriter, _ *http.Request) error {
	c.About("A")
	web.WriteJSON(w, map[string]string{"project": c.Project, "actor": c.KeyHash, "role": string(c.Role)})
	return nil
}
