//go:build linux

package wait

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
)

// machine pretends that a pause takes a while, and that all samples but one are interrupted.
func machine(pause time.Duration, interrupted int) func(n uint32) time.Duration {
	samples := 0
	return func(n uint32) time.Duration {
		samples++
		if samples <= interrupted {
			return time.Duration(n)*pause + 4*time.Millisecond
		}
		return time.Duration(n) * pause
	}
}

// clock: how a machine of numbers is measured is the subject
func TestPausesInADuration(t *testing.T) {
	for _, c := range []struct {
		pause       time.Duration
		interrupted int
		want        uint32
	}{
		{1, 0, 30000},
		{10, 0, 3000},
		{40, 0, 750},
		{40, 15, 750},                       // one sample of the sixteen is whole
		{0, 0, mostPauses},                  // a clock that stands still
		{time.Millisecond, 0, fewestPauses}, // a machine that stands still
		{40, 1000, fewestPauses},
	} {
		if got := pausesIn(spinTime, machine(c.pause, c.interrupted)); got != c.want {
			t.Errorf("a pause takes %v, %d samples are interrupted: %d pauses, want %d", c.pause, c.interrupted, got, c.want)
		}
	}
}

// clock: how a machine is measured is the subject
func TestPausesInADurationOnABusyMachine(t *testing.T) {
	quiet := pausesIn(spinTime, timePauses)
	var stop atomic.Bool
	var burners sync.WaitGroup
	for range 2 * runtime.NumCPU() {
		burners.Go(func() {
			for !stop.Load() {
				cpu.Pause(1)
			}
		})
	}
	busy := pausesIn(spinTime, timePauses)
	stop.Store(true)
	burners.Wait()
	t.Logf("%d pauses in %v, %d when the machine is busy", quiet, spinTime, busy)
	if busy < quiet/8 || busy > quiet*8 {
		t.Errorf("%d pauses in %v, %d when the machine is busy", quiet, spinTime, busy)
	}
}

// pauses returns how many pauses a spin makes before it ends.
func pauses(s Spin) (times int, total uint32) {
	for {
		left := s.left
		if !s.Pause() {
			return times, total
		}
		if s.left < left {
			times, total = times+1, total+left-s.left
		}
	}
}

func TestSpinIsBounded(t *testing.T) {
	times, total := pauses(NewSpin(Adaptive, 1, 16))
	if !cpu.Multi {
		if total != 0 {
			t.Errorf("%d pauses with one CPU", total)
		}
	} else if total > spinPauses() || total+16 <= spinPauses() || times < 4 {
		t.Errorf("%d pauses in %d steps, of %d", total, times, spinPauses())
	}
	s := NewSpin(Parking, 1, 16)
	if s.Pause() {
		t.Error("Parking spins")
	}
	s = NewSpin(Spinning, 1, 1024)
	for range 5000 {
		if !s.Pause() {
			t.Fatal("Spinning ends")
		}
	}
}

func TestSpinPausesDouble(t *testing.T) {
	if !cpu.Multi {
		t.Skip("one CPU: nothing spins")
	}
	s := NewSpin(Adaptive, 2, 16)
	s.left = 1000
	for _, want := range []uint32{2, 4, 8, 16, 16, 16} {
		left := s.left
		if !s.Pause() || left-s.left != want {
			t.Fatalf("paused %d, want %d", left-s.left, want)
		}
	}
}

// A spin that begins with the shortest pause stays with it for a while.
func TestSpinLooksCloselyFirst(t *testing.T) {
	if !cpu.Multi {
		t.Skip("one CPU: nothing spins")
	}
	s := NewSpin(Adaptive, 1, 16)
	s.left = 1000
	for n := range closePauses + 1 {
		if left := s.left; !s.Pause() || left-s.left != 1 {
			t.Fatalf("pause %d is %d long", n, left-s.left)
		}
	}
	if left := s.left; !s.Pause() || left-s.left != 2 {
		t.Errorf("the next one is %d long", left-s.left)
	}
}

// With one P only a spin that yields lets the goroutine run that it waits for. Now and then the
// scheduler chooses otherwise.
func TestSpinYields(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	for _, p := range []Policy{Adaptive, Spinning} {
		seen := 0
		for range 20 {
			var done atomic.Bool
			go done.Store(true)
			for s := NewSpin(p, 64, 1024); !done.Load() && s.Pause(); {
			}
			if done.Load() {
				seen++
			}
		}
		if seen < 10 {
			t.Errorf("policy %d: the other goroutine ran in %d of 20 spins", p, seen)
		}
	}
}
