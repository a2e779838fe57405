package queue

import "encoding/binary"

// overwriting are the options of a Broadcast that waits for no reader.
var overwriting = Options{WhenFull: DropOldest}

// mustSubscribe is Subscribe that panics on an error.
func (b *Broadcast[T]) mustSubscribe(from Start) *Reader[T] {
	r, err := b.Subscribe(from)
	if err != nil {
		panic(err)
	}
	return r
}

// poke overwrites the word at an offset of a queue's memory, as a process that has gone astray
// does.
func (h *object) poke(off int, word uint64) { binary.NativeEndian.PutUint64(h.o.Payload[off:], word) }

// word is the word at an offset of a queue's memory.
func (h *object) word(off int) uint64 { return binary.NativeEndian.Uint64(h.o.Payload[off:]) }

// usedEvents reports whether a waiter has ever used the event counts in the head of a queue.
func (h *object) usedEvents() bool {
	for off := 32; off < 64; off += 8 {
		if h.word(off) != 0 {
			return true
		}
	}
	return false
}

// startingAt lets a new queue begin at a position, such as one just below a wrap-around.
func (o Options) startingAt(p uint64) Options {
	o.start = p
	return o
}

// beforeLapWrap is the position of a ring of that capacity from which the 32-bit lap wraps within
// two rounds.
func beforeLapWrap(capacity uint64) uint64 { return (1<<32 - 2) * capacity }

// beforePositionWrap is the position from which the 64-bit position wraps within two rounds.
func beforePositionWrap(capacity uint64) uint64 { return -(2 * capacity) }
