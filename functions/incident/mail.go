package incident

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/wneessen/go-mail"

	"github.com/lethe-analytics/lethe/shared/fault"
	"github.com/lethe-analytics/lethe/shared/project"
	"github.com/lethe-analytics/lethe/shared/webhook"
)

// Mailer sends e-mails.
type Mailer struct {
	config MailConfig
	client *mail.Client
}

// NewMailer makes a Mailer; it connects for each Send.
func NewMailer(c MailConfig) (*Mailer, error) {
	options := []mail.Option{mail.WithPort(c.Port), mail.WithTimeout(c.Timeout), mail.WithTLSPolicy(mail.TLSMandatory)}
	if c.Plain {
		options = append(options, mail.WithTLSPolicy(mail.NoTLS))
	}
	if c.User != "" {
		options = append(options, mail.WithSMTPAuth(mail.SMTPAuthAutoDiscover), mail.WithUsername(c.User), mail.WithPassword(c.Password))
	}
	client, err := mail.NewClient(c.Host, options...)
	if err != nil {
		return nil, fmt.Errorf("configuration: mail: %w", err)
	}
	return &Mailer{config: c, client: client}, nil
}

// Send sends a text to each of the addresses. It fails if nobody's was taken: one bad
// address must not have the others told over and over. No error holds an address.
func (m *Mailer) Send(ctx context.Context, to []string, subject, text string) error {
	messages := make([]*mail.Msg, len(to))
	for i, address := range to {
		msg := mail.NewMsg()
		if err := errors.Join(msg.From(m.config.From), msg.To(address)); err != nil {
			return errors.New("an e-mail address is not valid")
		}
		msg.Subject(subject)
		msg.SetBodyString(mail.TypeTextPlain, text)
		messages[i] = msg
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.Timeout)
	defer cancel()
	err := m.client.DialAndSendWithContext(ctx, messages...)
	taken := 0
	for _, msg := range messages {
		if msg.IsDelivered() {
			taken++
		}
	}
	if taken < len(to) {
		slog.WarnContext(ctx, "e-mail not taken", "addresses", len(to), "taken", taken, "reason", reason(err))
	}
	if taken == 0 {
		return fault.New(fault.Unavailable, "the mail server took none of %d mails", len(to))
	}
	return nil
}

// reason says why without the text of the error, which quotes addresses.
func reason(err error) string {
	var failed *mail.SendError
	if errors.As(err, &failed) {
		return failed.Reason.String()
	}
	return "no connection"
}

// subject is that of a letter.
func subject(i *Incident, occasion string) string {
	return map[string]string{
		webhook.IncidentOpened: "Security incident", webhook.IncidentUpdated: "Security incident, update",
		webhook.IncidentReminder: "Security incident, please acknowledge", webhook.IncidentClosed: "Security incident, closed",
	}[occasion] + ": " + i.Title
}

// stamp is a time in a letter.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }

// letter is what a customer is told: what a controller must tell its authority (GDPR
// Art. 33(3)), as far as it is known.
func letter(i *Incident, p project.Project, url, contact string) string {
	var b strings.Builder
	section := func(title, text string) {
		if text == "" {
			text = "Not known yet."
		}
		fmt.Fprintf(&b, "%s\n%s\n\n", title, text)
	}
	about := func(n *int, what string) string {
		if n == nil {
			return "number of " + what + " not known yet"
		}
		return fmt.Sprintf("about %d %s", *n, what)
	}
	fmt.Fprintf(&b, "%s\n\nThis incident affects your project %s. As the processor of its data we tell you of it (GDPR Art. 33(2)).\n\n", i.Title, p.ID)
	section("What happened (Art. 33(3)(a))", i.Description)
	section("Categories of data and persons", "- "+strings.Join(i.Categories, "\n- "))
	section("Approximate numbers, over all projects", about(i.Persons, "persons")+", "+about(i.Records, "records"))
	section("Contact (Art. 33(3)(b))", contact)
	section("Likely consequences (Art. 33(3)(c))", i.Consequences)
	section("Measures (Art. 33(3)(d))", i.Measures)
	for _, u := range i.Updates {
		section("Update of "+stamp(u.At), u.Text)
	}
	if !i.Closed.IsZero() {
		section("Closed", stamp(i.Closed))
	}
	fmt.Fprintf(&b, "Occurred: %s\nNoticed: %s, %.0f hours ago\n72 hours after that (Art. 33(1)): %s\n\n",
		stamp(i.Occurred), stamp(i.Noticed), time.Since(i.Noticed).Hours(), stamp(i.Noticed.Add(AuthorityWithin)))
	fmt.Fprintf(&b, "Please acknowledge, with an API key of role admin:\nPOST %s/v1/incidents/%s/acknowledge\n\nUntil then you will hear of it every 12 hours.\n", url, i.ID)
	return b.String()
}
