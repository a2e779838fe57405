//go:build crashtest && linux

package dict

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A reader is stopped between finding a value and copying it, while the key is replaced and
// deleted, the record's memory used again, and the buckets moved. It must return a value that the
// key had, and never a mixture; no writer waits for it.

const (
	stallKeys  = 40
	stallRound = 1000 // changes for each stop
)

// stallValue is 64 equal words, which name the key and a change.
func stallValue(k int, n uint64) []byte {
	return bytes.Repeat(binary.LittleEndian.AppendUint64(nil, uint64(k)<<48|n), 64)
}

// stalled: PATH SCENE, reads a key for each line that it hears, and stops in the middle.
var roleStalled = proctest.Register("stalled", func(args []string) {
	m := openVictim(args[0], scene{})
	for {
		k, err := strconv.Atoi(proctest.Hear())
		must(err)
		crashpoint.Stop(1)
		v, ok, err := m.Get(nil, fmt.Append(nil, "key", k))
		crashpoint.Disarm()
		must(err)
		switch {
		case !ok:
			proctest.Say("none")
		case len(v) != 512 || !bytes.Equal(v, bytes.Repeat(v[:8], 64)) || int(binary.LittleEndian.Uint64(v)>>48) != k:
			proctest.Say("torn: key %d is %x", k, v)
		default:
			proctest.Say("whole")
		}
	}
})

func TestStoppedReaders(t *testing.T) {
	rounds := 40
	if os.Getenv("SHMKIT_LONG") != "" {
		rounds = 1_000_000 / stallRound
	}
	s := newSegment(t, 32<<20)
	m, err := openSingle(s, Options{})
	must(err)
	reader := proctest.Start(t, roleStalled, s.Path())
	r := rand.New(rand.NewPCG(1, 2))
	n := uint64(0)
	change := func(k int) {
		n++
		if r.IntN(4) == 0 {
			m.mustDelete(fmt.Sprint("key", k))
			return
		}
		m.mustSet(fmt.Sprint("key", k), string(stallValue(k, n)))
	}
	seen := map[string]int{}
	for round := range rounds {
		k := round % stallKeys
		m.mustSet(fmt.Sprint("key", k), string(stallValue(k, n)))
		reader.Send(strconv.Itoa(k))
		reader.WaitStopped()
		for i := range stallRound {
			change(i * 7 % stallKeys)
			change(k)
		}
		if round%10 == 0 {
			for i := range 100 {
				m.mustSet(fmt.Sprint("more", round*100+i), "x") // the buckets move
			}
		}
		reader.Signal(syscall.SIGCONT)
		answer := reader.Line()
		if seen[answer]++; answer != "whole" && answer != "none" {
			t.Fatal(answer)
		}
	}
	reader.Kill()
	t.Logf("%v after %d changes, %d records moved", seen, n, m.Stats().Moved)
	wantIntact(t, m)
}

// Writers go on, and so do readers, while a process is stopped in the middle of a change of the
// same stripe: readers at once, writers when their context ends.
func TestStoppedWriter(t *testing.T) {
	c := sceneOf("replacement in place")
	m := c.stage(t)
	proctest.Sweep(t, c.least, func(v *proctest.Crash) {
		v.Way = proctest.Stops
		child := v.Start(roleVictim, m.s.Path(), c.name)
		if v.Wait() {
			return
		}
		for range 1000 {
			c.look(t, m, false)
		}
		child.Kill()
		m.mustSet("target", "older")
		m.mustSet("target", "old")
	})
	wantIntact(t, m)
}
