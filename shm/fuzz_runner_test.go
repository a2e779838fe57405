//go:build linux

package shm_test

import (
	"context"
	"encoding/binary"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A fuzzRunner does the operations of a fuzz program with one attachment of the victim. No
// operation may panic, fault, last, or fail in a way that is not documented; wrong values are
// right.
type fuzzRunner struct {
	t       *testing.T
	v       *victim
	seg     *shm.Segment
	s       *segment.Segment
	me      uint64
	held    []fuzzHandle // by kind; nil: could not be opened
	handles [][]byte
	blocks  []uint64
	quit    bool // the program wants the segment closed now
}

const opQuit = 239 // rare, as attaching anew costs much

// operations are what a step can do with argument n and its value.
var operations = []func(p *fuzzRunner, s step, ctx context.Context, tamper func()){
	(*fuzzRunner).use, (*fuzzRunner).use, (*fuzzRunner).use, (*fuzzRunner).open, (*fuzzRunner).make, (*fuzzRunner).makeMore,
	(*fuzzRunner).remove, (*fuzzRunner).marshal, (*fuzzRunner).unmarshal, (*fuzzRunner).look, (*fuzzRunner).block, (*fuzzRunner).forget,
}

// do does the operation of the step, during which tamper may be called.
func (p *fuzzRunner) do(s step, tamper func()) {
	ctx := over
	if s[0] == opQuit {
		p.quit = true
		return
	}
	if s[0] >= 240 { // worth the time now and then
		//clock: what would wait for ever gives up
		p.s.SetPatience(time.Millisecond, time.Millisecond)
		defer p.s.SetPatience(0, 0)
		//clock: what would wait for ever gives up
		brief, cancel := context.WithTimeout(background, time.Millisecond)
		defer cancel()
		ctx = brief
	}
	operations[int(s[0])%len(operations)](p, s, ctx, tamper)
}

func (p *fuzzRunner) use(s step, ctx context.Context, tamper func()) {
	if h := p.held[s.argument()%len(p.held)]; h != nil {
		known(p.t, "use "+h.Name(), h.use(ctx, s.value(), tamper))
	}
}

func (p *fuzzRunner) hold(i int, h fuzzHandle, err error) {
	known(p.t, handleKinds[i].name, err)
	if err == nil {
		p.held[i] = h
	}
}

func (p *fuzzRunner) open(s step, _ context.Context, _ func()) {
	i := s.argument() % len(handleKinds)
	h, err := handleKinds[i].open(p.seg, handleKinds[i].name)
	p.hold(i, h, err)
}

func (p *fuzzRunner) make(s step, _ context.Context, _ func()) {
	i := s.argument() % len(handleKinds)
	h, err := handleKinds[i].make(p.seg, handleKinds[i].name)
	p.hold(i, h, err)
}

// makeMore makes objects with other names, among them those of other kinds.
func (p *fuzzRunner) makeMore(s step, _ context.Context, _ func()) {
	i := s.argument() % len(handleKinds)
	h, err := handleKinds[i].make(p.seg, strconv.Itoa(s.argument()/len(handleKinds)))
	p.hold(i, h, err)
}

func (p *fuzzRunner) remove(s step, _ context.Context, _ func()) {
	name := handleKinds[s.argument()%len(handleKinds)].name
	if n := s.argument() / len(handleKinds); n%4 == 3 {
		name = strconv.Itoa(n)
	}
	known(p.t, "remove", p.seg.RemoveObject(name))
}

func (p *fuzzRunner) marshal(s step, _ context.Context, _ func()) {
	i := s.argument() % len(p.held)
	if p.held[i] == nil {
		return
	}
	b, err := p.held[i].MarshalBinary()
	known(p.t, "marshal", err)
	if err == nil {
		p.handles = append(p.handles, b)
		p.unmarshal(s, nil, nil)
	}
}

// unmarshal opens what a handle names, or a handle that names another place.
func (p *fuzzRunner) unmarshal(s step, _ context.Context, _ func()) {
	const entry, serial = 18, 22
	if len(p.handles) == 0 {
		return
	}
	i := s.argument() % len(handleKinds)
	b := p.handles[len(p.handles)-1]
	if s.argument() >= 192 {
		b = append([]byte(nil), b...)
		binary.LittleEndian.PutUint32(b[entry:], uint32(s.value()%80))
		binary.LittleEndian.PutUint64(b[serial:], s.value()>>16)
	}
	h := handleKinds[i].empty()
	p.hold(i, h, h.UnmarshalBinary(b))
}

func (p *fuzzRunner) look(s step, _ context.Context, _ func()) {
	for name, kind := range p.seg.Objects() {
		if len(name) > 255 || kind == "" {
			p.t.Fatalf("object %q, kind %q", name, kind)
		}
	}
	known(p.t, "check", p.seg.Check())
	for o := range p.s.Table().Owners {
		p.s.Table().Info(o)
	}
	p.s.Party().Waits.All(func(w lock.Wait) bool {
		if o, ok := p.s.Awaited(w.Target); ok {
			p.s.Holders(o, w.Target)
		}
		return true
	})
	p.s.DirectoryHolders()
}

// block allocates, hands on, reads and frees memory without a name, as the packages above do.
func (p *fuzzRunner) block(s step, _ context.Context, _ func()) {
	n := int(s.value() % (victimBytes + 64))
	switch s.argument() % 5 {
	case 0:
		off, mem, err := p.s.Alloc(n)
		known(p.t, "alloc", err)
		if err == nil {
			clear(mem)
			p.blocks = append(p.blocks, off)
		}
	case 1:
		known(p.t, "reclaim", p.s.Reclaim())
	default:
		off := s.value()
		if len(p.blocks) > 0 && s.argument()%2 == 0 {
			off = p.blocks[len(p.blocks)-1]
		}
		switch s.argument() % 5 {
		case 2:
			known(p.t, "free", p.s.Free(off))
		case 3:
			known(p.t, "give", p.s.Give(off, p.s.Me(), 0))
		case 4:
			_, err := p.s.Bytes(off, n)
			known(p.t, "bytes", err)
		}
	}
}

// forget lets go of a handle.
func (p *fuzzRunner) forget(s step, _ context.Context, _ func()) {
	p.held[s.argument()%len(p.held)] = nil
}
