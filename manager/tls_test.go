package manager

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// serveTLS makes this process a manager by TCP, with a certificate and the key "key".
func serveTLS(t *testing.T, c *proctest.Certificate) (s *Server, address string) {
	t.Helper()
	o := Options{Key: []byte("key"), TLS: c.Server()}
	l, err := Listen("tcp://127.0.0.1:0", o)
	if err != nil {
		t.Fatal(err)
	}
	if s, err = Serve(background, l, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Kill()
		proctest.Ends(t, s.Done(), "the server ends")
	})
	return s, "tcp://" + l.Addr().String()
}

// roleTLS dials args[0] with the key args[1], trusts the certificate args[2], and appends args[3]
// to the desk "main". It says the error of Dial, or "done".
var roleTLS = proctest.Register("tls", func(args []string) {
	o := Options{Key: keyOf(args[1]), Insecure: args[2] == ""}
	if args[2] != "" {
		var err error
		o.TLS, err = proctest.Trust(args[2])
		proctest.ExitOn(err)
	}
	m, err := Dial(background, args[0], o)
	if err != nil {
		var unknown x509.UnknownAuthorityError
		proctest.Say("key %t, authority %t, insecure %t: %v", errors.Is(err, ErrKey), errors.As(err, &unknown), errors.Is(err, ErrInsecure), err)
		return
	}
	d, err := Desk.Named(background, m, "main", nil)
	proctest.ExitOn(err)
	_, err = Append.Call(background, d, args[3])
	proctest.ExitOn(err)
	proctest.Say("done")
})

// A manager by TLS takes those who trust its certificate and have its key, and goes on after all
// others.
func TestTLS(t *testing.T) {
	own, foreign := proctest.NewCertificate(t), proctest.NewCertificate(t)
	s, address := serveTLS(t, own)
	for _, c := range []struct{ key, trusts, want string }{
		{"key", own.Path, "done"},
		{"key", foreign.Path, "key false, authority true, insecure false"},
		{"another", own.Path, "key true, authority false, insecure false"},
		{"", own.Path, "key false, authority false, insecure true"},
		{"key", "", "key false, authority false, insecure false"}, // speaks without TLS
		{"key", own.Path, "done"},
	} {
		child := proctest.Start(t, roleTLS, address, c.key, c.trusts, "ü")
		if line := child.Line(); !strings.HasPrefix(line, c.want) {
			t.Errorf("key %q, certificate %q: %q, want %q", c.key, c.trusts, line, c.want)
		}
		child.WaitOK()
	}
	d := only(t, s)
	d.mu.Lock()
	defer d.mu.Unlock()
	if !slices.Equal(d.notes, []string{"ü", "ü"}) {
		t.Errorf("notes %q", d.notes)
	}
}

// Start has no way to pass the keys of TLS on to a process: it says what does, and starts none.
func TestStartWithTLS(t *testing.T) {
	name := "tcp://" + proctest.Loopback() + ":0"
	_, err := Start(background, Options{Name: name, Key: []byte("key"), TLS: proctest.NewCertificate(t).Server()})
	if !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), "Serve") {
		t.Errorf("error %v", err)
	}
}

// A third side whose certificate the client trusts, too, cannot pass the proofs of the key on: they
// are of one TLS connection.
func TestTLSBindsTheKey(t *testing.T) {
	own, theirs := proctest.NewCertificate(t), proctest.NewCertificate(t)
	_, address := serveTLS(t, own)
	l, err := tls.Listen("tcp", "127.0.0.1:0", theirs.Server())
	if err != nil {
		t.Fatal(err)
	}
	trust, err := proctest.Trust(own.Path)
	if err != nil {
		t.Fatal(err)
	}
	var third sync.WaitGroup
	third.Go(func() { passOn(l, strings.TrimPrefix(address, "tcp://"), trust) })
	child := proctest.Start(t, roleTLS, "tcp://"+l.Addr().String(), "key", theirs.Path, "x")
	if line := child.Line(); !strings.HasPrefix(line, "key true") {
		t.Errorf("through a third side: %q", line)
	}
	child.WaitOK()
	l.Close()
	third.Wait()
}

// passOn connects one client of l to an address, and passes all bytes on.
func passOn(l net.Listener, to string, trust *tls.Config) {
	a, err := l.Accept()
	if err != nil {
		return
	}
	defer a.Close()
	b, err := tls.Dial("tcp", to, trust)
	if err != nil {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		io.Copy(a, b)
		a.Close()
	})
	io.Copy(b, a)
	b.Close()
	back.Wait()
}
