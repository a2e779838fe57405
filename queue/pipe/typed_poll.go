package pipe

import (
	"context"
	"runtime"
	"time"
)

// shortest is how long a look at a socket lasts: one under a deadline that has passed sees nothing.
const shortest = time.Millisecond

// Poll waits until Recv would return at once, with a message or an error, and reports whether it
// would. It waits for at most d; a negative d has no end.
func (c *TypedConn[S, R]) Poll(d time.Duration) bool {
	ctx := context.Background()
	if d >= 0 {
		if _, ok := c.conn.(*Conn); !ok {
			d = max(d, shortest)
		} else if c.in.look() {
			return true
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, d)
		defer cancel()
	}
	return c.poll(ctx)
}

// poll waits for a message or the end until ctx ends. What is there already is found also after the
// end of ctx, which comes before anything else where this goroutine does not get its processor.
func (c *TypedConn[S, R]) poll(ctx context.Context) bool {
	select {
	case <-c.in.turn:
	default:
		select {
		case <-c.in.turn:
		case <-ctx.Done():
			return false
		}
	}
	defer func() { c.in.turn <- struct{}{} }()
	c.in.await(ctx)
	return c.in.has || c.in.end != nil
}

// look reports whether a message or the end is there, without waiting. What has come by shared
// memory it reads. It does not look while another goroutine reads, which gets the message.
func (in *inbox) look() bool {
	select {
	case <-in.turn:
	default:
		return false
	}
	defer func() { in.turn <- struct{}{} }()
	conn, ok := in.conn.(*Conn)
	for ok && !in.has && in.end == nil && (in.hello == nil && in.r.Buffered() || conn.readable()) {
		in.note(in.step())
	}
	runtime.KeepAlive(conn)
	return in.has || in.end != nil
}
