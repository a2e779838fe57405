package cast

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/internal/segment"
)

// recordFor is the size of the record of a message of n bytes, in bytes.
func recordFor(n uint64) uint64 { return (n + recordBytes + recordAlign - 1) &^ (recordAlign - 1) }

// LongestMessage is the length of the longest message, in bytes; 0 for messages of fixed size.
func (r *Ring) LongestMessage() uint64 { return r.longest }

// ClaimMessage makes room for a message of n bytes and begins it. It returns its position, and the
// bytes to write it to. The caller publishes what lies before end, or reserves it.
//
// A message that does not fit before the end of the ring lies behind a gap, which is published with
// it.
//
// Errors: [io/fs.ErrInvalid] for one that is too long; those of [Ring.Claim].
func (r *Ring) ClaimMessage(ctx context.Context, c *Claim, n uint64) (message []byte, at, end uint64, err error) {
	if n > r.longest {
		return nil, 0, 0, segment.Invalid("queue: a message of %d bytes: at most %d fit", n, r.longest)
	}
	if err = r.enter(ctx, c.Try); err != nil {
		return nil, 0, 0, err
	}
	at = r.put.next
	need, size := r.needFor(at, recordFor(n))
	if at%recordAlign != 0 {
		r.leave()
		return nil, 0, 0, r.Corrupt()
	}
	if err = r.findRoom(ctx, c, need); err != nil {
		return nil, 0, 0, err
	}
	end = at + need
	r.count(n)
	if !r.Begin(end) {
		r.uncount()
		return nil, 0, 0, r.Refuse()
	}
	if need != size {
		ring.StoreRelease(&r.record(at).length, gap)
		crashpoint.Here("cast.gap")
	}
	head := r.record(end - size)
	ring.StoreRelease(&head.length, n)
	ring.StoreRelease(&head.number, r.put.number)
	return r.message(end-size, n), at, end, nil
}

// needFor is how much room a record of that size needs at a position, the gap before it included.
func (r *Ring) needFor(at, size uint64) (need, same uint64) {
	if left := r.toEnd(at); left < size {
		return left + size, size
	}
	return size, size
}

// count numbers a message of n bytes. When the process dies before the message is begun, it is
// counted and was never put.
func (r *Ring) count(n uint64) {
	p := &r.put
	p.number, p.bytes = r.head.messages.Load(), r.head.bytes.Load()
	ring.StoreRelease(&r.head.bytes, p.bytes+n)
	ring.StoreRelease(&r.head.messages, p.number+1)
}

// uncount takes back what count has done for the message that is begun.
func (r *Ring) uncount() {
	if r.longest != 0 {
		ring.StoreRelease(&r.head.messages, r.put.number)
		ring.StoreRelease(&r.head.bytes, r.put.bytes)
	}
}

// published is how many messages of any length were published.
func (r *Ring) published() uint64 {
	n := r.head.messages.Load()
	if r.head.begun.Load() != r.head.tail.Load() {
		n--
	}
	return n
}

// sizeAt is the size of the record, or the gap, at a position before which there bytes are
// published. It reports false when that is none.
func (r *Ring) sizeAt(p, there uint64) (size uint64, ok bool) {
	left := r.toEnd(p)
	if p%recordAlign != 0 || there < recordAlign {
		return 0, false
	}
	n := r.record(p).length.Load()
	if n == gap {
		return left, left < there
	}
	size = recordFor(min(n, r.longest))
	return size, n <= r.longest && size <= there && size <= left
}

// messageAt is the message behind a position before which there bytes are published: its number,
// its bytes, and where it ends. It reports false when there is none.
func (r *Ring) messageAt(p, there uint64) (number uint64, message []byte, end uint64, ok bool) {
	size, ok := r.sizeAt(p, there)
	if ok && r.record(p).length.Load() == gap {
		p, there = p+size, there-size
		size, ok = r.sizeAt(p, there)
	}
	if !ok {
		return 0, nil, 0, false
	}
	n := r.record(p).length.Load()
	if n > r.longest || recordFor(n) != size { // it changes under the look, or is a gap
		return 0, nil, 0, false
	}
	return r.record(p).number.Load(), r.message(p, n), p + size, true
}

// numberAt is the number of the message behind a position, at which one is published.
func (r *Ring) numberAt(p uint64) (number uint64, ok bool) {
	number, _, _, ok = r.messageAt(p, r.head.tail.Load()-p)
	return number, ok
}
