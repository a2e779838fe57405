package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// hostHeader names the host that sends a message.
const hostHeader = "Shmkit-Host"

// piecesAtOnce is how many pieces are on their way.
const piecesAtOnce = 4

// fetch gets the bytes of an argument or a result, size of them, in pieces. A piece that does not
// come is asked for again, as long as the other side is there and ctx has not ended.
func fetch(ctx context.Context, nc *nats.Conn, subject string, what wire.Piece, size int) ([]byte, error) {
	b := make([]byte, size)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	next, done := make(chan int), make(chan struct{})
	for range piecesAtOnce {
		go func() {
			defer func() { done <- struct{}{} }()
			for at := range next {
				p := what
				p.Offset = at
				if err := fetchPiece(ctx, nc, subject, p, b[at:min(at+wire.PieceBytes, size)]); err != nil {
					cancel(err)
				}
			}
		}()
	}
	for at := 0; at < size && ctx.Err() == nil; at += wire.PieceBytes {
		next <- at
	}
	close(next)
	for range piecesAtOnce {
		<-done
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return b, nil
}

// errGone says that the side which has the bytes does not have them any more.
var errGone = errors.New("cluster: the bytes are gone")

func fetchPiece(ctx context.Context, nc *nats.Conn, subject string, p wire.Piece, to []byte) error {
	for ctx.Err() == nil {
		try, cancel := context.WithTimeout(ctx, 10*time.Second)
		m, err := nc.RequestWithContext(try, subject, wire.AppendPiece(nil, &p))
		cancel()
		switch {
		case err == nil && len(m.Data) == len(to):
			copy(to, m.Data)
			return nil
		case err == nil:
			return errGone
		case errors.Is(err, nats.ErrNoResponders) || errors.Is(err, nats.ErrConnectionClosed):
			return fmt.Errorf("cluster: fetch a piece: %w", err)
		}
	}
	return context.Cause(ctx)
}

// pieceOf is the part of b that a request asks for; nil when there is none.
func pieceOf(b []byte, at int) []byte {
	if at < 0 || at >= len(b) {
		return nil
	}
	return b[at:min(at+wire.PieceBytes, len(b))]
}

// givePiece sends a part of a large argument to a host.
func (c *caller) givePiece(m *nats.Msg) {
	p, err := wire.ReadPiece(m.Data)
	if err != nil {
		m.Respond(nil)
		return
	}
	c.mu.Lock()
	var b []byte
	if e := c.entries[p.ID]; e != nil {
		b = e.task.Arg
	}
	c.mu.Unlock()
	m.Respond(pieceOf(b, p.Offset))
}
