package pipe

import (
	"crypto/x509"
	"errors"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// roleTypedTLS dials args[0] with the key args[1], trusts the certificate args[2], and sends back
// what it receives. It says the error of DialTyped, or "done".
var roleTypedTLS = proctest.Register("typed-tls", func(args []string) {
	trust, err := proctest.Trust(args[2])
	proctest.ExitOn(err)
	c, err := DialTyped[note, note](background, args[0], TypedOptions{Key: []byte(args[1]), TLS: trust})
	if err != nil {
		var unknown x509.UnknownAuthorityError
		proctest.Say("key %t, authority %t", errors.Is(err, ErrKey), errors.As(err, &unknown))
		return
	}
	m, err := c.Recv(background)
	proctest.ExitOn(err)
	proctest.ExitOn(c.Send(background, m))
	proctest.Say("done")
	proctest.ExitOn(c.Close())
})

// A listener by TLS goes on after a client that has another key, or does not trust it.
func TestTypedTLS(t *testing.T) {
	own, foreign := proctest.NewCertificate(t), proctest.NewCertificate(t)
	l, address := listenTyped(t, "tcp://127.0.0.1:0", TypedOptions{Key: []byte("key"), TLS: own.Server()})
	for _, c := range []struct{ key, trusts, want string }{
		{"key", own.Path, "done"}, {"key", foreign.Path, "key false, authority true"},
		{"another", own.Path, "key true, authority false"}, {"key", own.Path, "done"},
	} {
		child := proctest.Start(t, roleTypedTLS, address, c.key, c.trusts)
		end, err := l.Accept(background)
		if (err == nil) != (c.want == "done") || errors.Is(err, ErrKey) != strings.HasPrefix(c.want, "key true") {
			t.Errorf("key %q, certificate %q: accept: error %v", c.key, c.trusts, err)
		}
		if err == nil {
			n := note{Text: "ü", Body: make([]byte, 300<<10)}
			if err := end.Send(background, n); err != nil {
				t.Error(err)
			}
			if m, err := end.Recv(background); err != nil || m.Text != n.Text || len(m.Body) != len(n.Body) {
				t.Errorf("%q with %d bytes, error %v", m.Text, len(m.Body), err)
			}
			if end.Conn().RemoteAddr().Network() != "tcp" {
				t.Errorf("the connection below is with %v", end.Conn().RemoteAddr())
			}
			end.Close()
		}
		child.Expect(c.want)
		child.WaitOK()
	}
}
