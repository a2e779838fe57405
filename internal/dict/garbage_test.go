package dict

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"testing"
	"time"
)

// Whatever another process writes over the Dict and its parts, no operation panics or hangs: it
// fails, or gives a wrong value. Only the lock words stay, which package lock tests.

func scribble(m *Map, r *rand.Rand, n int) {
	var places [][]byte
	places = append(places, m.o.Payload)
	for i := range m.local {
		s := m.stripe(uint64(i))
		for _, off := range []uint64{s.table.Load() & tableOffsetMask, s.first, s.current, s.spare, s.claims &^ claimLog} {
			if off != 0 && m.inHeap(off, 2048) {
				places = append(places, m.mem[off:off+2048])
			}
		}
	}
	for range n {
		p := places[r.IntN(len(places))]
		at := r.IntN(len(p)/8) * 8
		if len(p) == len(m.o.Payload) && (at < headBytes || (at-headBytes)%stripeBytes < 16) {
			continue // the head is read once, when the Dict is opened
		}
		w := binary.LittleEndian.Uint64(p[at:])
		switch r.IntN(6) {
		case 0:
			w = 0
		case 1:
			w ^= 1 << r.IntN(64)
		case 2:
			w = r.Uint64()
		case 3:
			w += uint64(r.IntN(64)) * 8
		case 4:
			w = uint64(m.s.Size()) - uint64(r.IntN(4096))
		case 5:
			w = m.start + uint64(r.IntN(1<<16))&^7
		}
		binary.LittleEndian.PutUint64(p[at:], w)
	}
}

func useAll(m *Map, r *rand.Rand) {
	ctx, cancel := context.WithTimeout(background, time.Minute)
	defer cancel()
	words := m.words
	for i := range 30 {
		k := killKey(words, r.IntN(60))
		v := make([]byte, 8)
		if !words {
			v = make([]byte, r.IntN(300)+r.IntN(2)*r.IntN(40000))
		}
		m.Get(nil, k)
		m.Set(ctx, k, v, DefaultLife)
		m.Add(ctx, killKey(words, r.IntN(60)), 1, 8)
		m.Delete(ctx, killKey(words, r.IntN(60)))
		m.Do(ctx, nil, killKey(words, 60+i), fillWith("12345678"))
	}
	m.All(func(Entry) bool { return true })
	m.Len()
	m.Stats()
	for i := range m.local {
		if h, err := m.lock(ctx, uint64(i)); err == nil {
			h.mend()
			h.unlock(&err)
		}
	}
	if r.IntN(3) == 0 {
		m.Clear(ctx)
	}
}

func FuzzScribble(f *testing.F) {
	for i := range uint64(60) {
		f.Add(i, uint8(i), i%3)
	}
	f.Add(uint64(20), uint8('b'), uint64(44)) // a page list that turns in a circle
	f.Fuzz(func(t *testing.T, seed uint64, n uint8, kind uint64) {
		r := rand.New(rand.NewPCG(seed, 7))
		s := newSegment(t, 2<<20)
		defer s.Close()
		o := []Options{{}, {KeyBytes: 8, ValueBytes: 8}, {MaxBytes: 64 << 10}}[kind%3]
		m, err := openSingle(s, o)
		must(err)
		for i := range 60 {
			must(m.Set(background, killKey(m.words, i), make([]byte, 8), DefaultLife))
		}
		m.Do(background, nil, killKey(m.words, 100), fillWith("12345678"))
		for range 3 {
			scribble(m, r, int(n)%20+1)
			useAll(m, r)
		}
	})
}

// A head that makes no sense is refused.
func TestDamagedHead(t *testing.T) {
	for at := 0; at < 48; at += 4 {
		s := newSegment(t, 1<<20)
		m, err := openMap(s, Options{MaxBytes: 1 << 20})
		must(err)
		for _, w := range []uint32{0, 3, 1 << 31, ^uint32(0)} {
			old := binary.LittleEndian.Uint32(m.o.Payload[at:])
			binary.LittleEndian.PutUint32(m.o.Payload[at:], w)
			if again := newMap(m.o); again != nil {
				useAll(again, rand.New(rand.NewPCG(1, 2)))
			}
			binary.LittleEndian.PutUint32(m.o.Payload[at:], old)
		}
	}
}
