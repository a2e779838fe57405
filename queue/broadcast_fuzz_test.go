package queue

import (
	"context"
	"encoding/binary"
	"errors"
	"testing"
)

// acceptableCast reports whether a broadcast may return err after other processes have overwritten
// its words.
func acceptableCast(err error) bool {
	for _, ok := range []error{
		ErrExpelled, ErrRoleTaken, ErrTooManyReaders, ErrNotHeld, ErrWriterDied, ErrReserved, context.Canceled,
	} {
		if errors.Is(err, ok) {
			return true
		}
	}
	return acceptable(err)
}

// Whatever other processes write into a broadcast, its operations come to an end, stay within its
// memory, and say what is wrong.
func FuzzBroadcastHostile(f *testing.F) {
	word := func(off byte, w uint64) []byte { return binary.LittleEndian.AppendUint64([]byte{off}, w) }
	// by words: of the head, the states and the cells
	for _, off := range []byte{15, 31, 32, 47, 48, 49, 63, 66, 67, 68, 79, 81} {
		for _, w := range []uint64{0, 1, 1 << 31, 1<<31 | 5, 1 << 63, ^uint64(0), ^uint64(0) - 63} {
			f.Add(word(off-1, w), true)
			f.Add(append(word(off-1, w), word(16, ^uint64(0)-127)...), false)
		}
	}
	f.Fuzz(func(t *testing.T, script []byte, many bool) {
		o := Options{Readers: 2, Keep: 1, EndWithWriter: true}
		if many {
			o.Writers = Many
		}
		fixed, anyLength := newBroadcast[int64](t, 4, o), newBroadcastBytes(t, 512, o)
		r, rb := fixed.mustSubscribe(FromNewest), anyLength.mustSubscribe(FromNewest)
		for ; len(script) >= 9; script = script[9:] {
			for _, payload := range [][]byte{fixed.o.Payload, anyLength.o.Payload} {
				off := 8 + int(script[0])*8%(len(payload)-8)
				binary.NativeEndian.PutUint64(payload[off:], binary.LittleEndian.Uint64(script[1:]))
			}
			for _, err := range append(hostileFixed(fixed, r), hostileBytes(anyLength, rb)...) {
				if err != nil && !acceptableCast(err) {
					t.Fatal(err)
				}
			}
		}
	})
}

// hostileFixed does everything that does not wait.
func hostileFixed(b *Broadcast[int64], r *Reader[int64]) (errs []error) {
	report := func(err error) { errs = append(errs, err) }
	report(b.TryPut(1))
	report(b.Put(canceled, 2))
	_, err := b.PutBatch(canceled, make([]int64, 3))
	report(err)
	m, err := b.Reserve(canceled)
	if report(err); err == nil {
		report(m.Abort())
	}
	_, err = r.TryGet()
	report(err)
	look, err := r.Peek(canceled)
	if report(err); err == nil {
		look.Valid()
		report(look.Release())
	}
	_, err = r.GetBatch(canceled, make([]int64, 3))
	report(err)
	_, err = b.Latest()
	report(err)
	late, err := b.Subscribe(FromOldest)
	if report(err); err == nil {
		_, err = late.TryGet()
		report(err)
		report(late.Close())
	}
	b.Stats()
	r.Len()
	for range b.Readers() {
		b.Closed()
	}
	return errs
}

func hostileBytes(b *BroadcastBytes, r *BytesReader) (errs []error) {
	report := func(err error) { errs = append(errs, err) }
	report(b.TryPut(make([]byte, 100)))
	report(b.Put(canceled, nil))
	m, err := b.Reserve(canceled, 200)
	if report(err); err == nil {
		clear(m.Value)
		report(m.Commit())
	}
	_, err = r.TryGet()
	report(err)
	look, err := r.TryPeek()
	if report(err); err == nil {
		clear(look.Value)
		report(look.Release())
	}
	_, err = r.GetBatch(canceled, make([][]byte, 3))
	report(err)
	late, err := b.Subscribe(FromOldest)
	if report(err); err == nil {
		_, err = late.TryGet()
		report(err)
		report(late.Close())
	}
	b.Stats()
	r.Len()
	for range b.Readers() {
		b.Closed()
	}
	return errs
}
