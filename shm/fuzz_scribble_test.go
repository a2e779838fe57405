//go:build linux

package shm_test

import (
	"runtime"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// reattachEach is after how many inputs FuzzScribble attaches anew: attaching costs more than the
// rest.
const reattachEach = 200

// FuzzScribble uses the objects of a segment while bytes of it are overwritten: between operations,
// and during those that run a function under a lock.
func FuzzScribble(f *testing.F) {
	seed(f)
	v, dog := newVictim(f), newWatchdog(f)
	empty := slices.Clone(v.image) // no process is attached to it
	var attached *fuzzRunner
	detach := func(t testing.TB) {
		if attached == nil {
			return
		}
		known(t, "close", attached.seg.Close())
		attached = nil
		v.image = append(v.image[:0], empty...)
	}
	f.Cleanup(func() { detach(f) })
	inputs := 0
	f.Fuzz(func(t *testing.T, program []byte) {
		dog.start()
		defer dog.stop()
		if inputs++; inputs%reattachEach == 0 {
			detach(t) // with all that the last input has overwritten
		}
		v.restore()
		if attached == nil {
			attached = attach(v)
		}
		p := *attached
		p.t, p.held = t, slices.Clone(attached.held)
		steps := stepsIn(program)
		for i, s := range steps {
			s.overwrite(v, p.me)
			p.do(s, func() {
				if i+1 < len(steps) {
					steps[i+1].overwrite(v, p.me)
				}
			})
			if p.quit {
				detach(t)
				break
			}
		}
		runtime.KeepAlive(attached)
	})
}

// attach opens the segment and all that is in it.
func attach(v *victim) *fuzzRunner {
	seg := need(shm.Open(v.path))
	s := hurry(seg)
	p := &fuzzRunner{v: v, seg: seg, s: s, me: uint64(s.Me())}
	for _, k := range handleKinds {
		p.held = append(p.held, need(k.open(seg, k.name)))
	}
	v.keep()
	return p
}
