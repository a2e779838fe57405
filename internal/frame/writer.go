package frame

import (
	"context"
	"io"
	"sync"
)

// mostPending is how many bytes wait for the goroutine that writes before senders wait themselves.
const mostPending = 2 * MaxPayload

// mostRounds is how many times a sender writes what others have added meanwhile, before it leaves
// the rest to another goroutine.
const mostRounds = 4

// A Writer writes the frames of any number of goroutines to one connection. One of them writes at a
// time. The others add their frames to what it writes next.
type Writer struct {
	to     io.Writer
	failed func(error) // called once, with the first error of the connection

	mu      sync.Mutex
	pending []byte        // frames that were not given to the connection; guarded by mu
	spare   []byte        // the other buffer; guarded by mu
	writing bool          // a goroutine writes; guarded by mu
	err     error         // of the connection; guarded by mu
	room    chan struct{} // closed at the end of a write; nil while no sender waits; guarded by mu
	queued  uint64        // bytes that were ever added; guarded by mu
	written uint64        // bytes that the connection has taken; guarded by mu
}

// NewWriter returns a Writer of frames to a connection. failed may be nil.
func NewWriter(to io.Writer, failed func(error)) *Writer {
	return &Writer{to: to, failed: failed}
}

// A Mode says which goroutine writes.
type Mode int

const (
	Inline Mode = iota // the sender, which may block in the write as long as the connection does
	Aside              // another goroutine: the sender waits for room alone, under its context
	// another goroutine, and the sender does not wait: for the few frames that must get through
	Control
	Later // that of the next Flush, or of the next Send
)

// Send sends one payload, in pieces if it is large. Pieces of other senders go between them. h says
// all but the length, and is changed.
//
// It returns the position of the end of what was sent, for [Writer.AwaitWritten].
//
// Errors: the cause of the end of ctx; the error of the connection. Then the position is 0 when
// none of the payload was sent, and not 0 when some whole pieces of it were.
func (w *Writer) Send(ctx context.Context, mode Mode, h *Head, payload []byte) (end uint64, err error) {
	if len(payload) > MaxPayload {
		piece := Head{Kind: Chunk, Call: h.Call, Object: h.Object}
		for len(payload) > MaxPayload {
			at, err := w.send(ctx, mode, &piece, payload[:MaxPayload])
			if err != nil {
				return end, err
			}
			end = at
			payload = payload[MaxPayload:]
		}
		h.Flags |= Chunked
	}
	at, err := w.send(ctx, mode, h, payload)
	if err != nil {
		return end, err
	}
	return at, nil
}

// send sends one frame.
func (w *Writer) send(ctx context.Context, mode Mode, h *Head, payload []byte) (end uint64, err error) {
	w.mu.Lock()
	if len(w.pending) > mostPending && mode != Control {
		if err := w.awaitRoom(ctx); err != nil {
			w.mu.Unlock()
			return 0, err
		}
	}
	if w.err != nil {
		defer w.mu.Unlock()
		return 0, w.err
	}
	h.Length = uint32(len(payload))
	w.pending = h.append(w.pending, payload)
	begin := w.queued
	w.queued += uint64(HeadSize + len(payload))
	end = w.queued
	if mode == Later && len(w.pending) > mostPending {
		mode = Inline
	}
	if taken, err := w.flush(mode); err != nil && taken <= begin {
		return 0, err
	}
	return end, nil
}

// Raw sends bytes that are no frame, such as those of a handshake. It does not wait.
func (w *Writer) Raw(b []byte) {
	w.mu.Lock()
	w.pending = append(w.pending, b...)
	w.queued += uint64(len(b))
	w.flush(Aside)
}

// AwaitWritten waits until the connection has taken all up to a position that Send has returned.
//
// Errors: the cause of the end of ctx, after which it is still written; that of the connection.
func (w *Writer) AwaitWritten(ctx context.Context, end uint64) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	for w.written < end {
		if w.err != nil {
			return w.err
		}
		if err := w.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// Flush writes what waits, unless another goroutine writes.
func (w *Writer) Flush() {
	w.mu.Lock()
	w.flush(Inline)
}

// flush writes what waits, unless another goroutine does. It unlocks mu. When it has written it
// returns how many bytes the connection has ever taken.
//
// Errors: that of the connection.
func (w *Writer) flush(mode Mode) (taken uint64, err error) {
	if w.writing || mode == Later || len(w.pending) == 0 || w.err != nil {
		w.mu.Unlock()
		return 0, nil
	}
	w.writing = true
	if mode == Aside || mode == Control {
		w.mu.Unlock()
		go w.writeAll()
		return 0, nil
	}
	return w.write(mostRounds)
}

// writeAll writes what waits until there is nothing. The caller has set writing.
func (w *Writer) writeAll() {
	w.mu.Lock()
	w.write(-1)
}

// write writes what waits until there is nothing, or for so many rounds, and leaves the rest to
// another goroutine. The caller has set writing and holds mu, which it unlocks. It returns what
// flush does.
func (w *Writer) write(rounds int) (taken uint64, err error) {
	for len(w.pending) > 0 && w.err == nil {
		if rounds == 0 {
			w.mu.Unlock()
			go w.writeAll()
			return 0, nil
		}
		rounds--
		b := w.pending
		w.pending = w.spare[:0]
		w.mu.Unlock()
		n, err := w.to.Write(b)
		w.mu.Lock()
		w.written += uint64(n)
		if w.spare = b[:0]; cap(b) > 2*mostPending {
			w.spare = nil
		}
		w.tellRoom()
		if err != nil {
			w.fail(err)
		}
	}
	w.writing = false
	taken, err = w.written, w.err
	w.mu.Unlock()
	return taken, err
}

// fail notes the error of the connection. The caller holds mu.
func (w *Writer) fail(err error) {
	if w.err != nil {
		return
	}
	w.err = err
	w.tellRoom()
	if w.failed != nil {
		go w.failed(err)
	}
}

// Fail ends all sends, now and later, with err.
func (w *Writer) Fail(err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err == nil {
		w.err = err
		w.tellRoom()
	}
}

// tellRoom wakes the senders that wait for room. The caller holds mu.
func (w *Writer) tellRoom() {
	if w.room != nil {
		close(w.room)
		w.room = nil
	}
}

// awaitRoom waits until fewer bytes wait. The caller holds mu, also when it returns.
func (w *Writer) awaitRoom(ctx context.Context) error {
	for len(w.pending) > mostPending && w.err == nil {
		if err := w.await(ctx); err != nil {
			return err
		}
	}
	return nil
}

// await waits for the end of a write. The caller holds mu, also when it returns.
func (w *Writer) await(ctx context.Context) error {
	if !w.writing { // only Later has left bytes there
		w.writing = true
		go w.writeAll()
	}
	if w.room == nil {
		w.room = make(chan struct{})
	}
	room := w.room
	w.mu.Unlock()
	defer w.mu.Lock()
	select {
	case <-room:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
