package handshake

import (
	"context"
	"errors"
	"net"
	"testing"
)

var background = context.Background()

// shake has two sides do the handshake over a connection.
func shake(a, b *Hello) (errA, errB error) {
	here, there := net.Pipe()
	done := make(chan error)
	go func() { done <- b.Do(background, there) }()
	errA = a.Do(background, here)
	errB = <-done
	here.Close()
	there.Close()
	return errA, errB
}

func TestKeys(t *testing.T) {
	for _, c := range []struct {
		a, b string
		fits bool
	}{{"", "", true}, {"key", "key", true}, {"key", "kez", false}, {"key", "", false}, {"", "key", false}} {
		for range 20 { // either side has the first role
			errA, errB := shake(New([]byte(c.a)), New([]byte(c.b)))
			for _, err := range []error{errA, errB} {
				if c.fits && err != nil || !c.fits && !errors.Is(err, ErrKey) {
					t.Fatalf("keys %q and %q: errors %v and %v", c.a, c.b, errA, errB)
				}
			}
		}
	}
}

// The proofs of two handshakes differ, and those of two roles, so that none can be used again.
func TestProofsAreOfOneHandshakeAndRole(t *testing.T) {
	key := []byte("key")
	a, b := New(key), New(key)
	seen := map[string]bool{}
	for range 10 {
		c := New(key)
		for _, p := range [][]byte{
			a.proof(c.Greeting(), true, nil), a.proof(c.Greeting(), false, nil), a.proof(c.Greeting(), true, []byte("tls")),
		} {
			if seen[string(p)] {
				t.Fatal("a proof twice")
			}
			seen[string(p)] = true
		}
	}
	if string(a.proof(b.Greeting(), true, nil)) != string(b.proof(a.Greeting(), false, nil)) {
		t.Error("the two sides disagree on a proof")
	}
}

func TestSilenceEnds(t *testing.T) {
	here, there := net.Pipe()
	defer there.Close()
	ctx, cancel := context.WithCancelCause(background)
	own := errors.New("own cause")
	go cancel(own)
	if err := New([]byte("key")).Do(ctx, here); !errors.Is(err, own) {
		t.Errorf("error %v", err)
	}
	here.Close()
}

func FuzzGreeting(f *testing.F) {
	f.Add(New(nil).Greeting(), []byte("key"))
	f.Add(New([]byte("key")).Greeting(), []byte(nil))
	f.Fuzz(func(t *testing.T, in, key []byte) {
		here, there := net.Pipe()
		go func() {
			there.Write(in)
			there.Close()
		}()
		go func() {
			for b := make([]byte, 100); ; {
				if _, err := there.Read(b); err != nil {
					return
				}
			}
		}()
		err := New(key).Do(background, here)
		here.Close()
		if len(key) > 0 && err == nil {
			t.Fatal("the key was not proved")
		}
	})
}
