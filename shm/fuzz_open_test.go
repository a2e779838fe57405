//go:build linux

package shm_test

import (
	"errors"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// FuzzOpen opens a segment with a file that holds anything, and uses all that is in it.
func FuzzOpen(f *testing.F) {
	seed(f)
	v, dog := newVictim(f), newWatchdog(f)
	f.Fuzz(func(t *testing.T, program []byte) {
		dog.start()
		defer dog.stop()
		steps := stepsIn(program)
		v.restore()
		if v.damage(t, steps) {
			defer v.lengthen(t)
		}
		seg, err := shm.Open(v.path)
		if err != nil {
			if !errors.Is(err, shm.ErrFormat) && !errors.Is(err, shm.ErrTooManyProcesses) {
				t.Fatal(err)
			}
			return
		}
		s := hurry(seg)
		p := &fuzzRunner{t: t, v: v, seg: seg, s: s, me: uint64(s.Me()), held: make([]fuzzHandle, len(handleKinds))}
		p.doAll(steps)
		for _, s := range steps {
			p.do(s, func() {})
		}
		known(t, "close", seg.Close())
		for _, h := range p.held {
			if h != nil {
				known(t, "use after close", h.use(over, 1, func() {}))
			}
		}
	})
}

// damage overwrites the file, and reports whether it has changed its length.
func (v *victim) damage(t *testing.T, steps []step) (cut bool) {
	me := uint64(1 << 10) // the first attachment to the first slot
	for _, s := range steps {
		if s.region() != regionAll || s.argument()%4 != 0 {
			s.overwrite(v, me)
			continue
		}
		cut = true
	}
	for _, s := range steps {
		if s.region() == regionFixed && s.argument()%4 != 0 {
			v.sign()
		}
	}
	if cut {
		for _, s := range steps {
			if s.region() == regionAll && s.argument()%4 == 0 {
				wantOK(t, v.f.Truncate(int64(s.value()%(victimBytes+8192))))
			}
		}
	}
	return cut
}

// lengthen gives the file its length again.
func (v *victim) lengthen(t *testing.T) { wantOK(t, v.f.Truncate(victimBytes)) }

// doAll does every operation, and opens and uses every object.
func (p *fuzzRunner) doAll(steps []step) {
	nothing := func() {}
	for i := range handleKinds {
		s := step{0, byte(i), 0, 0, 0, byte(i), 0, 0, 0, 0, 0, 0, 0}
		p.open(s, over, nothing)
		p.use(s, over, nothing)
		if i < 2 || i == len(steps) { // not all: it costs system calls
			p.marshal(s, over, nothing)
		}
	}
	s := step{0, 0, 0, 0, 0, 200, 0, 0, 0, 0, 0, 0, 0}
	p.look(s, over, nothing)
	for i := range byte(5) {
		s[1] = i
		p.block(s, over, nothing)
	}
	s[1] = 2
	p.remove(s, over, nothing)
	p.make(s, over, nothing)
	p.use(s, over, nothing)
	s[1] = 2 + byte(len(handleKinds))
	p.makeMore(s, over, nothing)
	p.look(s, over, nothing)
}
