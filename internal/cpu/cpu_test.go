package cpu

import (
	"math"
	"runtime"
	"sync/atomic"
	"testing"
	"time"
	"unsafe"
)

func TestStoreReleaseWritesExactlyItsWord(t *testing.T) {
	words32 := [3]uint32{1, 2, 3}
	StoreRelease32(&words32[1], 0xfedcba98)
	if words32 != [3]uint32{1, 0xfedcba98, 3} {
		t.Errorf("StoreRelease32 left %#x", words32)
	}
	words64 := [3]uint64{1, 2, 3}
	StoreRelease64(&words64[1], 0xfedcba9876543210)
	if words64 != [3]uint64{1, 0xfedcba9876543210, 3} {
		t.Errorf("StoreRelease64 left %#x", words64)
	}
}

func TestPauseReturnsAndGrowsWithN(t *testing.T) {
	Pause(0) // would take minutes if the count wrapped
	shortest := func(n uint32) time.Duration {
		best := time.Hour
		for range 20 {
			start := time.Now()
			Pause(n)
			best = min(best, time.Since(start))
		}
		return best
	}
	few, many := shortest(10), shortest(10_000)
	if many <= few { //clock: the best of many, and a thousand times as much
		t.Errorf("Pause(10000) took %v, Pause(10) took %v", many, few)
	}
}

// Poll returns after its looks where nothing changes, and at once where something has, and it
// changes nothing itself.
func TestPollReturns(t *testing.T) {
	words, place := [3]uint64{1, 2, 3}, byte(4)
	Poll(&words[1], 2, &place, 0)
	Poll(&words[1], 2, &place, 8)
	Poll(&words[1], 1, &place, math.MaxUint32) // a minute and more, if it were not seen
	if words != [3]uint64{1, 2, 3} || place != 4 {
		t.Errorf("Poll left %v and %d", words, place)
	}
}

func TestPollSeesAChange(t *testing.T) {
	var word atomic.Uint64
	var place byte
	go word.Store(1)
	for word.Load() == 0 {
		Poll((*uint64)(unsafe.Pointer(&word)), 0, &place, 64)
		runtime.Gosched()
	}
}

func TestMultiFollowsUsableCPUs(t *testing.T) {
	if Multi != (runtime.NumCPU() > 1) {
		t.Errorf("Multi is %v with %d usable CPUs", Multi, runtime.NumCPU())
	}
}

// stormTime bounds the concurrent tests by time, not by rounds: on a busy machine one hand-over may
// cost a whole time slice of another thread.
const stormTime = 50 * time.Millisecond

// message has its sequence and its payload on different cache lines, so that they can become
// visible out of order when the store or the loads are too weak.
type message struct {
	sequence uint64
	_        [2*LineBytes - 8]byte
	payload  uint64
	_        [2*LineBytes - 8]byte
	taken    uint64
}

func TestPublishConsume(t *testing.T) {
	deadline := time.Now().Add(stormTime) //clock: it goes on for so long
	m := new(message)
	const end = ^uint64(0)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := uint64(1); time.Now().Before(deadline); i++ {
			StoreRelease64(&m.payload, i*3)
			// SYNC: sequence: payload i*3 is complete.
			StoreRelease64(&m.sequence, i)
			waitFor(&m.taken, i)
		}
		StoreRelease64(&m.sequence, end)
	}()
	seen := uint64(0)
	for {
		got := waitForChange(&m.sequence, seen)
		if got == end {
			break
		}
		if payload := atomic.LoadUint64(&m.payload); got != seen+1 || payload != got*3 {
			t.Fatalf("round %d: sequence %d with payload %d, want %d", seen+1, got, payload, got*3)
		}
		seen = got
		StoreRelease64(&m.taken, got)
	}
	<-done
	if seen == 0 {
		t.Error("not one message was passed")
	}
}

// waitForChange returns the value of *p once it is not old. It yields, so that two spinning
// goroutines make progress on one CPU too.
func waitForChange(p *uint64, old uint64) uint64 {
	for {
		for range 64 {
			if v := atomic.LoadUint64(p); v != old {
				return v
			}
			Pause(1)
		}
		runtime.Gosched()
	}
}

// waitFor returns once *p is want.
func waitFor(p *uint64, want uint64) {
	for v := atomic.LoadUint64(p); v != want; {
		v = waitForChange(p, v)
	}
}

// pair is written without a lock and read like a sequence lock: an odd sequence means that a write
// is under way.
type pair struct {
	sequence uint64
	_        [2*LineBytes - 8]byte
	a        uint64
	_        [2*LineBytes - 8]byte
	b        uint64
}

func TestLoadFenceKeepsSequenceReadsWhole(t *testing.T) {
	deadline := time.Now().Add(stormTime) //clock: it goes on for so long
	p := new(pair)
	var ended atomic.Bool
	go func() {
		defer ended.Store(true)
		for i := uint64(1); time.Now().Before(deadline); i++ {
			atomic.StoreUint64(&p.sequence, 2*i-1)
			atomic.StoreUint64(&p.a, i)
			atomic.StoreUint64(&p.b, i)
			StoreRelease64(&p.sequence, 2*i)
			if i%64 == 0 {
				runtime.Gosched()
			}
		}
	}()
	whole := 0
	for last := false; !last; {
		last = ended.Load() // the round after the end sees a value at rest
		before := atomic.LoadUint64(&p.sequence)
		a, b := atomic.LoadUint64(&p.a), atomic.LoadUint64(&p.b)
		LoadFence()
		if before%2 == 1 || atomic.LoadUint64(&p.sequence) != before {
			runtime.Gosched()
			continue
		}
		if a != b || a != before/2 {
			t.Fatalf("sequence %d: read %d and %d", before, a, b)
		}
		whole++
	}
	if whole == 0 {
		t.Error("not one whole read")
	}
}

var (
	sink32 uint32
	sink64 uint64
)

func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		Pause(1)
	}
}

func BenchmarkStoreRelease32(b *testing.B) {
	for b.Loop() {
		StoreRelease32(&sink32, 1)
	}
}

func BenchmarkStoreRelease64(b *testing.B) {
	for b.Loop() {
		StoreRelease64(&sink64, 1)
	}
}

// BenchmarkAtomicStore64 is what StoreRelease64 is there to beat.
func BenchmarkAtomicStore64(b *testing.B) {
	for b.Loop() {
		atomic.StoreUint64(&sink64, 1)
	}
}

func BenchmarkLoadFence(b *testing.B) {
	for b.Loop() {
		LoadFence()
	}
}
