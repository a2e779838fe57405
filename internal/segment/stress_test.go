//go:build linux

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/proctest"
)

var roleStress = proctest.Register("stress", func(args []string) {
	seed, err := strconv.ParseUint(args[1], 10, 64)
	must(err)
	rnd := rand.New(rand.NewPCG(seed, 0))
	s := mustOpen(args[0])
	proctest.Say("ready")
	held := map[int]*Object{}
	var blocks []uint64
	for {
		n := rnd.IntN(12)
		name := fmt.Sprint("o", n)
		size := int64(100 + 700*n)
		switch rnd.IntN(6) {
		case 0, 1:
			o, _, err := s.New(Spec{Name: name, Kind: KindRawArray, Type: "<B", Size: size, Init: func(b []byte) { fill(b, byte(n)) }})
			tolerate(err)
			if err == nil {
				held[n] = o
			}
		case 2:
			tolerate(s.Remove(name))
		case 3:
			if o := held[n]; o != nil && (o.Payload[0] != byte(n) || o.Payload[size-1] != byte(n)) {
				panic(fmt.Sprintf("object %d holds %d and %d", n, o.Payload[0], o.Payload[size-1]))
			}
			delete(held, n)
		case 4:
			if off, mem, err := s.Alloc(rnd.IntN(5000)); err == nil {
				fill(mem, 0xcc)
				blocks = append(blocks, off)
			} else {
				tolerate(err)
			}
		case 5:
			if len(blocks) > 0 {
				must(s.Free(blocks[0]))
				blocks = blocks[1:]
			}
		}
		if rnd.IntN(2000) == 0 {
			held = map[int]*Object{}
			s.dropUnreachable()
		}
	}
})

// tolerate is for errors that come with competition.
func tolerate(err error) {
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !directory.LacksRoom(err) {
		panic(err)
	}
}

// Processes create, remove, allocate and free, and are killed at any time. Nothing is lost, and the
// heap is empty in the end.
func TestStressWithKills(t *testing.T) {
	runFor := time.Second
	if os.Getenv("SHMKIT_LONG") != "" {
		runFor = time.Minute
	} else if testing.Short() {
		runFor = 200 * time.Millisecond
	}
	s := fresh(t, Config{Size: 512 << 10, Objects: 64, Processes: 8})
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	rnd := rand.New(rand.NewPCG(uint64(seed), 1))
	start := func() *proctest.Child {
		c := proctest.Start(t, roleStress, s.Path(), fmt.Sprint(rnd.Uint64()))
		c.Expect("ready")
		return c
	}
	children := []*proctest.Child{start(), start(), start()}
	kills := 0
	//clock: it goes on for so long
	for end := time.Now().Add(runFor); time.Now().Before(end); kills++ {
		proctest.Stagger(20 * time.Millisecond)
		i := rnd.IntN(len(children))
		if state := children[i].Kill(); state.String() != "signal: killed" {
			t.Fatalf("%v\n%s", state, children[i].Stderr())
		}
		checked(t, s)
		children[i] = start()
	}
	for _, c := range children {
		if state := c.Kill(); state.String() != "signal: killed" {
			t.Fatalf("%v\n%s", state, c.Stderr())
		}
	}
	s.Names(func(name string, _ Kind) bool {
		if err := s.Remove(name); err != nil {
			t.Error(err)
		}
		return true
	})
	if err := s.Reclaim(); err != nil {
		t.Fatal(err)
	}
	if r := checked(t, s); r.Objects+r.Retired+r.Blocks+r.Orphans != 0 || s.dir.Header().Brk.Load() != s.geo.Heap {
		t.Errorf("%+v", r)
	}
	t.Logf("%d kills", kills)
}
