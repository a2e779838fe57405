package yields

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/ring/stream"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Reader is the parent's end. One goroutine calls Next and Leave, another one Finish.
type Reader struct {
	o     *segment.Object
	fixed int  // bytes of a value; 0: each has its length before it
	limit int  // bytes of a value
	local bool // the worker is a goroutine of this process
	words *stream.Words
	bell  *lock.EventCount // that Next sleeps on

	over atomic.Bool // the task has ended

	mu   sync.Mutex     // its holder may look at the ring
	s    *stream.Stream // nil: the ring may be gone; guarded by mu
	rest []byte         // what was in it at the end; guarded by mu
	err  error          // of looks
	look func() bool    // reports whether a wait is over

	// Of the goroutine that calls Next.
	buf []byte // bytes that were read
	at  int    // the values before it were returned
}

// NewReader is the reader of a task that yields values of so many bytes, 0: of any length, in a
// pool with the table o and so much memory.
func NewReader(o *segment.Object, fixed, memory int, local bool) *Reader {
	r := &Reader{o: o, fixed: fixed, limit: memory, local: local}
	r.look = func() bool { r.err = r.data(); return r.err != errWait }
	return r
}

// Size is how many bytes the ring and an argument of n bytes take.
func (r *Reader) Size(n int) int { return headBytes + ringFor(r.limit) + n }

// Place makes the ring in the block of the argument, before the argument.
func (r *Reader) Place(block, arg []byte) {
	n := ringFor(r.limit)
	clear(block[:headBytes])
	h := headIn(block)
	if h.size = uint64(n); arg == nil {
		h.isNil = 1
	}
	copy(block[headBytes+n:], arg)
	r.words = &h.words
	r.s = bind(r.o, h, block[headBytes:headBytes+n:headBytes+n])
	r.s.StartReader()
	r.bell = r.s.Get.Event
	if r.local {
		r.s.StartWriter()
		shared.Store(r.words, r.s)
	}
}

// Begun reports whether the task has yielded anything. The slot must not be freed meanwhile.
func (r *Reader) Begun() bool { return r.words.Written() != 0 }

// Next is the next value, valid until the following call. It waits for one until ctx ends.
//
// Errors: [ErrEnd] after the last value of a task that has ended; the cause of the end of ctx;
// [segment.ErrCorrupt].
func (r *Reader) Next(ctx context.Context) ([]byte, error) {
	for {
		b, want, err := r.cut()
		if want == 0 {
			return b, err
		}
		if err := r.fill(ctx, want); err != nil {
			return nil, err
		}
	}
}

// cut takes the next value off what was read. If it is not whole, want says how many bytes are
// missing.
func (r *Reader) cut() (b []byte, want int, err error) {
	b, n := r.buf[r.at:], r.fixed
	if n == 0 {
		if len(b) < lengthBytes {
			return nil, lengthBytes - len(b), nil
		}
		length := int64(binary.NativeEndian.Uint32(b))
		if length == nilLength {
			r.at += lengthBytes
			return nil, 0, nil
		}
		if length > int64(r.limit) {
			return nil, 0, fmt.Errorf("%w: a value of %d bytes in a pool with %d", segment.ErrCorrupt, length, r.limit)
		}
		b, n = b[lengthBytes:], int(length)
	}
	if len(b) < n {
		return nil, n - len(b), nil
	}
	r.at = len(r.buf) - len(b) + n
	return b[:n:n], 0, nil
}

// fill reads more. The caller needs want bytes to go on.
func (r *Reader) fill(ctx context.Context, want int) error {
	r.buf = r.buf[:copy(r.buf, r.buf[r.at:])]
	r.at = 0
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.s != nil && !r.s.HasBytes() {
		if err := r.await(ctx); err != nil {
			return err
		}
	}
	switch {
	case r.s != nil && r.s.HasBytes():
		r.buf = readAll(r.s, r.buf)
		r.s.Get.Adapt(len(r.buf) > want)
	case len(r.rest) > 0:
		r.buf = append(r.buf, r.rest...)
		r.rest = nil
	default:
		r.leave()
		return ErrEnd
	}
	return nil
}

// readAll appends what is known to be published.
func readAll(s *stream.Stream, b []byte) []byte {
	for s.HasBytes() {
		b = slices.Grow(b, int(s.Get.Until-s.Get.Next))
		n := s.Read(b[len(b):cap(b)])
		b = b[:len(b)+n]
	}
	return b
}

// await waits until there are bytes, or the task has ended.
func (r *Reader) await(ctx context.Context) error {
	if r.look() {
		return r.err
	}
	g := &r.s.Get
	policy, over := g.SpinThen(wait.Adaptive, &r.s.Put.SpinWait, r.look)
	if over {
		return r.err
	}
	if err := g.Event.Await(ctx, policy, r.look, nil); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return r.err
}

// data finds out what is published.
func (r *Reader) data() error {
	// SYNC: over: a task that has ended published all its values before.
	over := r.over.Load()
	switch {
	case !r.s.Published():
		return errCorrupt
	case r.s.HasBytes() || over:
		return nil
	}
	r.s.GiveBack() // the worker may wait for what was read
	return errWait
}

// Over reports whether the task has ended. Its slot may be another's then.
func (r *Reader) Over() bool { return r.over.Load() }

// Finish is the end of the task. It takes what is left in the ring, so that the slot can be freed.
func (r *Reader) Finish() {
	r.over.Store(true)
	r.bell.NotifyAll()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.s != nil && r.s.Published() {
		r.rest = readAll(r.s, nil)
	}
	r.leave()
}

// Leave is the end of the loop: nothing looks at the ring from here on.
func (r *Reader) Leave() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rest = nil
	r.leave()
}

func (r *Reader) leave() {
	if r.s != nil && r.local {
		shared.Delete(r.words)
	}
	r.s = nil
}
