package yields

import (
	"context"
	"encoding/binary"
	"fmt"

	"github.com/shmkit/shmkit/internal/ring/stream"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
)

// A Writer is the worker's end. One goroutine at a time uses it.
type Writer struct {
	s     *stream.Stream
	limit int    // bytes of a value
	one   []byte // a small value with its length

	err       error
	looks     func() bool // reports whether a wait is over, by a load or two
	looksHard func() bool // the same, exactly
}

// smallValue is the size up to which a value and its length are published together.
const smallValue = 4 << 10

// Open finds the ring that the argument of a task begins with, and the argument proper. The block
// lies in the segment of o. A value has at most limit bytes.
//
// Errors: [segment.ErrCorrupt] when there is no ring.
func Open(o *segment.Object, block []byte, limit int) (w *Writer, arg []byte, err error) {
	h, ring, arg, err := split(block)
	if err != nil {
		return nil, nil, err
	}
	w = &Writer{limit: limit}
	if s, ok := shared.Load(&h.words); ok {
		w.s = s.(*stream.Stream)
	} else {
		w.s = bind(o, h, ring)
		w.s.StartWriter()
	}
	w.looks = func() bool { w.err = w.room(false); return w.err != errWait }
	w.looksHard = func() bool { w.err = w.room(true); return w.err != errWait }
	return w, arg, nil
}

// Put appends a value, which is copied, of the same fixed size as all others if fixed says so. It
// waits for room until ctx ends.
//
// Errors: the cause of the end of ctx, also when there is room; a value that is too large;
// [segment.ErrCorrupt]. The reader does not get the value then.
func (w *Writer) Put(ctx context.Context, b []byte, fixed bool) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if fixed {
		return w.write(ctx, b)
	}
	if len(b) > w.limit || int64(len(b)) >= nilLength {
		return fmt.Errorf("a value of %d bytes is larger than the %d bytes of Options.Memory: make that larger, or yield a handle of an Array", len(b), w.limit)
	}
	length := uint32(len(b))
	if b == nil {
		length = nilLength
	}
	w.one = binary.NativeEndian.AppendUint32(w.one[:0], length)
	if len(b) <= smallValue {
		w.one = append(w.one, b...)
		return w.write(ctx, w.one)
	}
	if err := w.write(ctx, w.one); err != nil {
		return err
	}
	return w.write(ctx, b)
}

func (w *Writer) write(ctx context.Context, b []byte) error {
	p := &w.s.Put
	for len(b) > 0 {
		if p.Next == p.Until {
			if err := w.await(ctx, len(b)); err != nil {
				return err
			}
		}
		b = b[w.s.Write(b):]
	}
	return nil
}

// await waits until there is room for one byte. If it has to sleep, it waits for room for n bytes,
// or for half the ring: a wake-up for less is not worth its price.
func (w *Writer) await(ctx context.Context, n int) error {
	w.s.Need = 1
	if w.looks() {
		return w.err
	}
	w.s.WantRoom(uint64(n))
	p := &w.s.Put
	policy, over := p.SpinThen(wait.Adaptive, &w.s.Get.SpinWait, w.looks)
	if over {
		p.Adapt(false)
		return w.err
	}
	if err := p.Event.Await(ctx, policy, w.looksHard, nil); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return w.err
}

// room finds out up to which position there is room.
func (w *Writer) room(exact bool) error {
	switch {
	case !w.s.Room(exact):
		return errCorrupt
	case !w.s.HasRoom():
		return errWait
	}
	return nil
}
