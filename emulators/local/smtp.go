package local

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/mail"
	"strings"
	"sync"
	"time"

	"github.com/emersion/go-smtp"
)

// maxMails bounds what a Mailbox keeps: the oldest go first.
const maxMails = 1000

// Mail is a message that a Mailbox has taken.
type Mail struct {
	From    string // of the envelope
	To      []string
	Message *mail.Message // its header; the body is in Text
	Text    string        // the body as it came
}

// Mailbox is an SMTP server that keeps what it is given and sends nothing on.
type Mailbox struct {
	Host string // 127.0.0.1
	Port int
	// Refuse, if not nil, refuses recipients. It is set before the first mail.
	Refuse func(to string) bool

	server *smtp.Server
	mu     sync.Mutex
	mails  []Mail
}

// StartMailbox starts a Mailbox.
func StartMailbox() (*Mailbox, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("start mailbox: %w", err)
	}
	b := &Mailbox{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port}
	b.server = smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return &session{box: b}, nil }))
	b.server.Domain, b.server.MaxMessageBytes = "localhost", 1<<20
	b.server.ReadTimeout, b.server.WriteTimeout = 30*time.Second, 30*time.Second
	go func() { _ = b.server.Serve(l) }() // ends with Stop
	return b, nil
}

// Stop ends it.
func (b *Mailbox) Stop() { _ = b.server.Close() }

// Mails are what came to an address, in their order.
func (b *Mailbox) Mails(to string) (all []Mail) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, m := range b.mails {
		for _, a := range m.To {
			if strings.EqualFold(a, to) {
				all = append(all, m)
			}
		}
	}
	return all
}

// session takes mails of one connection.
type session struct {
	box  *Mailbox
	mail Mail
}

// Mail implements smtp.Session.
func (s *session) Mail(from string, _ *smtp.MailOptions) error {
	s.mail.From = from
	return nil
}

// Rcpt implements smtp.Session.
func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	if s.box.Refuse != nil && s.box.Refuse(to) {
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	}
	s.mail.To = append(s.mail.To, to)
	return nil
}

// Data implements smtp.Session.
func (s *session) Data(r io.Reader) error {
	m, err := mail.ReadMessage(r)
	if err != nil {
		return errors.New("not a message")
	}
	body, err := io.ReadAll(m.Body)
	if err != nil {
		return err
	}
	s.mail.Message, s.mail.Text = m, string(body)
	s.box.mu.Lock()
	defer s.box.mu.Unlock()
	s.box.mails = append(s.box.mails, s.mail)
	s.box.mails = s.box.mails[max(0, len(s.box.mails)-maxMails):]
	return nil
}

// Reset implements smtp.Session.
func (s *session) Reset() { s.mail = Mail{} }

// Logout implements smtp.Session.
func (s *session) Logout() error { return nil }
