package queue

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// numberShift is where a message of a storm has the number of its writer, above its own.
const numberShift = 32

// stormRuns are the last messages of each writer that a reader has got: there is no gap in them.
type stormRuns map[int64]int64

// next notes a message, and says what is wrong with it.
func (r stormRuns) next(v int64) error {
	writer, n := v>>numberShift, v&(1<<numberShift-1)
	if last, ok := r[writer]; ok && n != last+1 {
		return fmt.Errorf("message %d of writer %d comes after %d", n, writer, last)
	}
	r[writer] = n
	return nil
}

// roleStormWriter is writer args[2] of a storm on the broadcast of kind args[1] in the segment
// args[0]. It puts 1, 2, 3 … and keeps in "acked" which one was put last, until it is killed.
var roleStormWriter = proctest.Register("storm-writer", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := castKinds[args[1]](seg, false, Options{})
	proctest.ExitOn(err)
	acked, err := shm.OpenRawArray[int64](seg, "acked")
	proctest.ExitOn(err)
	number, err := strconv.Atoi(args[2])
	proctest.ExitOn(err)
	mine := &acked.Slice()[number]
	for n := int64(1); ; {
		err := b.put(background, int64(number)<<numberShift+n)
		if errors.Is(err, ErrRoleTaken) { // another one is the writer, until it is killed
			runtime.Gosched()
			continue
		}
		proctest.ExitOn(err)
		*mine = n
		n++
	}
})

// roleStormReader reads the broadcast of kind args[1] in the segment args[0], in turns by copies
// and by looks, until it is killed. It leaves now and then, and comes back. It exits with an error
// when a message is missing, or torn.
var roleStormReader = proctest.Register("storm-reader", func(args []string) {
	b := openCast(args[0], args[1], Options{})
	for turn := 0; ; turn++ {
		r, err := b.subscribe(Start(turn % 2))
		proctest.ExitOn(err)
		runs := stormRuns{}
		for i := range 200 {
			v, err := readEither(r, i)
			proctest.ExitOn(err)
			proctest.ExitOn(runs.next(v))
		}
		proctest.ExitOn(r.close())
	}
})

// Readers and writers are killed and stopped anywhere, and others take their places: no reader
// misses a message, what was put arrives, and all go on.
func TestBroadcastKillStorm(t *testing.T) {
	if !long {
		t.Skip("skipped without SHMKIT_LONG=1: a death in the middle of a wake-up holds the others up until the backstop, an hour here")
	}
	const kills = 25_000
	eachCast(t, Options{Keep: 1}, func(t *testing.T, kind, path string, b castAPI, _ Options) {
		acked, err := shm.NewRawArray[int64](reopen(t, path), "acked", kills+2)
		wantErr(t, err, nil)
		r, err := b.subscribe(FromNewest)
		wantErr(t, err, nil)
		all := make(chan stormRuns)
		go func() { all <- stormOf(t, r) }()
		writers := 0
		start := func(reads bool) *proctest.Child {
			if reads {
				return proctest.Start(t, roleStormReader, path, kind)
			}
			writers++
			return proctest.Start(t, roleStormWriter, path, kind, strconv.Itoa(writers-1))
		}
		var children [4]*proctest.Child // two that put, two that read
		for i := range children {
			children[i] = start(i >= 2)
		}
		for range kills {
			before := b.stats().Put
			proctest.Eventually(t, proctest.Hang, func() bool { return b.stats().Put > before }, "puts go on")
			i := rand.IntN(len(children))
			c := children[i]
			proctest.Stagger(3 * time.Millisecond)
			if rand.IntN(4) == 0 {
				c.Signal(syscall.SIGSTOP)
				proctest.Stagger(3 * time.Millisecond)
				if rand.IntN(2) == 0 {
					c.Signal(syscall.SIGCONT)
					continue
				}
			}
			endStorm(t, c)
			children[i] = start(i >= 2)
		}
		for _, c := range children {
			endStorm(t, c)
		}
		putOnce(t, path, kind, lastOfAll)
		got := proctest.Ends(t, all, "the reader gets what the last writer puts")
		for writer := range writers {
			if put, last := acked.At(writer), got[int64(writer)]; last < put || last > put+1 {
				t.Errorf("writer %d has put %d, and %d was the last to come", writer, put, last)
			}
		}
		wantErr(t, r.close(), nil)
		if s := b.stats(); s.Expelled != 0 || s.Readers != 0 {
			t.Errorf("%+v", s)
		}
	})
}

// stormOf gets messages until lastOfAll.
func stormOf(t *testing.T, r castReader) stormRuns {
	runs := stormRuns{}
	for i := 0; ; i++ {
		v, err := readEither(r, i)
		if err == nil && v == lastOfAll {
			return runs
		}
		if err == nil {
			err = runs.next(v)
		}
		if err != nil {
			t.Error(err)
			return runs
		}
	}
}

// endStorm kills a process, which must not have ended by itself.
func endStorm(t *testing.T, c *proctest.Child) {
	t.Helper()
	if s := c.Kill(); s.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Errorf("%v: %s", s, c.Stderr())
	}
}
