package pipe

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/shmkit/shmkit/internal/frame"
	"github.com/shmkit/shmkit/internal/handshake"
)

// An inbox puts the messages together that arrive at one end.
type inbox struct {
	conn  net.Conn
	most  int    // bytes of a message, and of all pieces of messages
	types string // the signature of what this side receives

	turn  chan struct{}    // has a value while no goroutine reads; guards what follows
	hello *handshake.Hello // the greeting of the other side has not been read; nil: it has
	r     *frame.Reader
	typed bool           // the first frame has been checked
	part  frame.Assembly // of the one large message that is under way
	of    uint64         // the number of that message
	next  []byte         // a whole message, which no Recv has taken
	has   bool           // next is one
	end   error          // no more messages come

	others *readAhead // guards itself
}

func newInbox(conn net.Conn, most int, types string) inbox {
	in := inbox{conn: conn, most: most, types: types, turn: make(chan struct{}, 1), r: frame.NewReader(conn), others: new(readAhead)}
	in.turn <- struct{}{}
	return in
}

// take waits for a whole message, and takes it. The bytes are the caller's.
func (in *inbox) take(ctx context.Context) ([]byte, error) {
	select {
	case <-in.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { in.turn <- struct{}{} }()
	if err := in.await(ctx); err != nil {
		return nil, err
	}
	b := in.next
	in.next, in.has = nil, false
	return b, nil
}

// await waits until a whole message is there. The caller has the turn.
func (in *inbox) await(ctx context.Context) error {
	if in.has || in.end != nil {
		return in.state()
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	interrupted := false
	if ctx.Done() != nil {
		fired := make(chan struct{})
		stop := context.AfterFunc(ctx, func() {
			in.conn.SetReadDeadline(time.Unix(1, 0))
			close(fired)
		})
		defer func() {
			if !stop() {
				<-fired
				in.conn.SetReadDeadline(time.Time{})
			}
		}()
		interrupted = true
	}
	for !in.has && in.end == nil {
		err := in.step()
		if interrupted && errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		in.note(err)
	}
	return in.state()
}

func (in *inbox) state() error {
	if in.has {
		return nil
	}
	return in.end
}

// note keeps the error after which no messages come. What was interrupted goes on.
func (in *inbox) note(err error) {
	switch {
	case err == nil || errors.Is(err, os.ErrDeadlineExceeded):
	case err == io.EOF: // a farewell would have come before
		in.end = io.ErrUnexpectedEOF
	case isClosed(err):
		in.end = net.ErrClosed
	default:
		in.end = err
	}
}

// step reads the greeting, or one frame.
func (in *inbox) step() error {
	if in.hello != nil {
		return in.readGreeting()
	}
	h, payload, err := in.r.Next()
	if err != nil {
		return err
	}
	if !in.typed {
		if h.Kind != kindTypes {
			return fmt.Errorf("%w: the first is of the kind %d", frame.ErrGarbage, h.Kind)
		}
		in.typed = true
		return checkTypes(string(payload), in.types)
	}
	switch h.Kind {
	case frame.Chunk:
		return in.addPart(h.Call, payload)
	case kindMessage:
		return in.complete(h, payload)
	case kindAbandon:
		in.drop(h.Call)
	case kindBye:
		in.end = io.EOF
	default:
		return fmt.Errorf("%w: one is of the kind %d", frame.ErrGarbage, h.Kind)
	}
	return nil
}

// readGreeting reads the greeting of the other side. When it was interrupted, the next call goes
// on.
func (in *inbox) readGreeting() error {
	begin, err := in.r.Peek(handshake.MagicLen) // another protocol may send no more
	if err != nil {
		return err
	}
	if err := in.hello.CheckMagic(begin); err != nil {
		return err
	}
	theirs, err := in.r.Peek(handshake.GreetingLen)
	if err != nil {
		return err
	}
	in.r.Discard(handshake.GreetingLen)
	err = in.hello.Check(theirs)
	in.hello = nil
	return err
}

// addPart adds a piece of a large message. A side sends one of them at a time.
func (in *inbox) addPart(call uint64, piece []byte) error {
	if in.part.Len() > 0 && call != in.of {
		return fmt.Errorf("%w: two large messages at once", frame.ErrGarbage)
	}
	in.of = call
	return in.part.Add(piece, in.most)
}

// complete makes a message of its last piece.
func (in *inbox) complete(h *frame.Head, payload []byte) error {
	if h.Flags&frame.Chunked == 0 {
		in.next = bytes.Clone(frame.Value(h.Flags, payload))
		in.has = true
		return nil
	}
	if in.part.Len() == 0 || h.Call != in.of {
		return fmt.Errorf("%w: a last piece without others", frame.ErrGarbage)
	}
	whole, err := in.part.Last(payload, in.most)
	in.next, in.has = whole, err == nil
	return err
}

// drop forgets the pieces of a message.
func (in *inbox) drop(call uint64) {
	if call == in.of {
		in.part = frame.Assembly{}
	}
}
