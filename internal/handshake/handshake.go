// Package handshake begins a connection: both sides prove that they have the same key, and neither
// shows the key, before anything else that the other side sent is looked at.
//
// Each side sends a greeting: the version of the protocol, whether it has a key, and a nonce of 32
// random bytes. With a key each side then sends HMAC-SHA256 of the key over its role, both nonces,
// the version and what binds the proof to the TLS connection, if there is one. The side with the
// larger nonce has the first role, so that neither side can be answered with its own proof.
//
//	this side  the other side  this side's error
//	no key     no key          none
//	key        the same key    none
//	key        another key     ErrKey: the keys differ
//	key        no key          ErrKey: the other side has none
//	no key     key             ErrKey: the other side wants one
//	any        no greeting     ErrProtocol, or that of the deadline
package handshake

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"
)

var (
	// ErrKey says that the sides do not have the same key.
	ErrKey = errors.New("wrong key")

	// ErrProtocol says that the other side speaks another protocol, or another version.
	ErrProtocol = errors.New("another protocol")
)

// Limit is how long a handshake may take.
const Limit = 5 * time.Second

const (
	magic    = "shmk"
	version  = 1
	withKey  = 1
	nonceLen = 32
)

// The sizes in bytes of what a side sends first: magic, version, flags, 2 bytes of zero, nonce; and
// of the part that tells the protocol.
const (
	MagicLen    = len(magic)
	GreetingLen = MagicLen + 4 + nonceLen
)

// A Hello is one side of a handshake.
type Hello struct {
	key  []byte
	mine [GreetingLen]byte
}

// New begins a handshake. An empty key is no key.
func New(key []byte) *Hello {
	h := &Hello{key: key}
	copy(h.mine[:], magic)
	h.mine[MagicLen] = version
	if len(key) > 0 {
		h.mine[MagicLen+1] = withKey
	}
	rand.Read(h.mine[GreetingLen-nonceLen:]) // it never fails
	return h
}

// Greeting is what this side sends first.
func (h *Hello) Greeting() []byte { return h.mine[:] }

// Check says whether the greeting of the other side fits that of this side.
//
// Errors: [ErrKey], [ErrProtocol].
func (h *Hello) Check(theirs []byte) error {
	if err := h.CheckMagic(theirs); err != nil {
		return err
	}
	if v := theirs[MagicLen]; v != version {
		return fmt.Errorf("%w: its version is %d, that of this side %d", ErrProtocol, v, version)
	}
	has, wants := len(h.key) > 0, theirs[MagicLen+1]&withKey != 0
	switch {
	case has && !wants:
		return fmt.Errorf("%w: this side has a key, and the other side has none", ErrKey)
	case !has && wants:
		return fmt.Errorf("%w: the other side wants a key, and this side has none", ErrKey)
	}
	return nil
}

// CheckMagic says whether the first bytes of the other side, at least [MagicLen], are of a
// greeting.
//
// Errors: [ErrProtocol].
func (h *Hello) CheckMagic(theirs []byte) error {
	if string(theirs[:MagicLen]) != magic {
		return fmt.Errorf("%w: the other side begins with %q", ErrProtocol, theirs[:MagicLen])
	}
	return nil
}

// readGreeting reads and checks the greeting of the other side.
//
// Errors: [ErrKey], [ErrProtocol], those of r.
func (h *Hello) readGreeting(r io.Reader) (theirs []byte, err error) {
	theirs = make([]byte, GreetingLen)
	// another protocol may send fewer bytes, and wait
	if _, err := io.ReadFull(r, theirs[:MagicLen]); err != nil {
		return nil, err
	}
	if err := h.CheckMagic(theirs); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(r, theirs[MagicLen:]); err != nil {
		return nil, err
	}
	return theirs, h.Check(theirs)
}

// Do does the whole handshake on c. It takes at most [Limit], and ends when ctx does.
//
// Errors: [ErrKey], [ErrProtocol], [os.ErrDeadlineExceeded], the cause of the end of ctx, those of
// c.
func (h *Hello) Do(ctx context.Context, c net.Conn) error {
	if err := c.SetDeadline(time.Now().Add(Limit)); err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	err := h.do(c)
	if !stop() {
		return errors.Join(context.Cause(ctx), err)
	}
	if err != nil {
		return err
	}
	return c.SetDeadline(time.Time{})
}

func (h *Hello) do(c net.Conn) error {
	binding, err := bindingOf(c)
	if err != nil {
		return err
	}
	var theirs []byte
	err = exchange(c, h.Greeting(), func() (err error) {
		theirs, err = h.readGreeting(c)
		return err
	})
	if err != nil || len(h.key) == 0 {
		return err
	}
	if bytes.Equal(theirs, h.mine[:]) {
		return fmt.Errorf("%w: the other side sends back what it gets", ErrKey)
	}
	proof := make([]byte, sha256.Size)
	err = exchange(c, h.proof(theirs, true, binding), func() error {
		_, err := io.ReadFull(c, proof)
		return err
	})
	if err != nil {
		return fmt.Errorf("no proof of the key came: %w", err)
	}
	if !hmac.Equal(proof, h.proof(theirs, false, binding)) {
		return fmt.Errorf("%w: the keys of the two sides differ", ErrKey)
	}
	return nil
}

// exchange sends while it receives, so that it works without a buffer between the sides, too.
func exchange(c net.Conn, send []byte, receive func() error) error {
	sent := make(chan error, 1)
	go func() {
		_, err := c.Write(send)
		sent <- err
	}()
	if err := receive(); err != nil {
		if errors.Is(err, ErrKey) || errors.Is(err, ErrProtocol) {
			<-sent // the other side shall see the same
		}
		return err // the write ends with the deadline, or with c
	}
	return <-sent
}

// farewell is how long a connection that was refused stays open for what the other side sends.
const farewell = time.Second

// Refuse closes a connection after a handshake that has failed. It does not wait. A socket that is
// closed before all was read drops what the other side has not read yet, so it stays open for a
// moment.
func Refuse(c net.Conn) {
	c.SetDeadline(time.Now().Add(farewell))
	if half, ok := c.(interface{ CloseWrite() error }); ok {
		half.CloseWrite()
	}
	go func() {
		io.Copy(io.Discard, c)
		c.Close()
	}()
}

// proof is what one of the sides sends to prove that it has the key.
func (h *Hello) proof(theirs []byte, mine bool, binding []byte) []byte {
	first, second, role := h.mine[:], theirs, byte(1)
	if bytes.Compare(first[GreetingLen-nonceLen:], second[GreetingLen-nonceLen:]) < 0 {
		first, second, role = second, first, 2
	}
	if !mine {
		role = 3 - role
	}
	mac := hmac.New(sha256.New, h.key)
	mac.Write([]byte("shmkit connection "))
	mac.Write([]byte{role})
	mac.Write(first)
	mac.Write(second)
	mac.Write(binding)
	return mac.Sum(nil)
}

// bindingOf is what ties a proof to one TLS connection, so that no third side can pass it on; empty
// for other connections.
func bindingOf(c net.Conn) ([]byte, error) {
	t, ok := c.(*tls.Conn)
	if !ok {
		return nil, nil
	}
	if err := t.Handshake(); err != nil {
		return nil, err
	}
	state := t.ConnectionState()
	return state.ExportKeyingMaterial("EXPORTER-shmkit", nil, sha256.Size)
}
