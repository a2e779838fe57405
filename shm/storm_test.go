//go:build linux

package shm_test

import (
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// Words of the segment change at any moment, also between two looks of one operation at the same
// word: the one that was checked must be the one that is used.
func TestStorm(t *testing.T) {
	const lasting = 300 * time.Millisecond
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1))
	v, dog := newVictim(t), newWatchdog(t)
	nothing := func() {}
	for end := time.Now().Add(lasting); time.Now().Before(end); { //clock: it goes on for so long
		dog.start()
		v.restore()
		seg := need(shm.Open(v.path))
		s := hurry(seg)
		p := &fuzzRunner{t: t, v: v, seg: seg, s: s, me: uint64(s.Me()), held: make([]fuzzHandle, len(handleKinds))}
		var stop atomic.Bool
		var wg sync.WaitGroup
		storm := rand.New(rand.NewPCG(r.Uint64(), 2))
		wg.Go(func() {
			for !stop.Load() {
				v.flicker(storm, p.me)
			}
		})
		func() {
			defer wg.Wait()
			defer stop.Store(true)
			p.doAll(nil)
			for range 300 {
				p.do(randomStep(r), nothing)
			}
		}()
		known(t, "close", seg.Close())
	}
	dog.stop()
}

// flicker overwrites a place again and again with what was there and with something else.
func (v *victim) flicker(r *rand.Rand, me uint64) {
	s := randomStep(r)
	s[2] = s[2]&^(7<<5) | 5<<5 | 2<<3 // a word of locks, slots or sizes
	off, width := s.target()
	before := slices.Clone(v.mem[off : off+width])
	for range 64 {
		s.overwrite(v, me)
		copy(v.mem[off:], before)
	}
}

func randomStep(r *rand.Rand) step {
	s := make(step, stepBytes)
	for i := range s {
		s[i] = byte(r.Uint32())
	}
	if s[0] >= 240 {
		s[0] -= 240 // without waits
	}
	return s
}
