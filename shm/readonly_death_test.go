//go:build linux

package shm_test

import (
	"fmt"
	"slices"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// changedKinds are those of lookKinds that the changer changes.
var changedKinds = []string{"Value", "Array", "Var", "Dict", "words", "List"}

// changer: SEGMENT. It gives each object one number after the other, and says in done which all of
// them have, until it is killed.
var roleChanger = proctest.Register("changer", func(args []string) {
	seg := need(shm.Open(args[0]))
	value, array := need(shm.OpenValue[parts](seg, "Value")), need(shm.OpenArray[int64](seg, "Array"))
	text, list := need(shm.OpenVar[string](seg, "Var")), need(shm.OpenList[parts](seg, "List"))
	dict, words := need(shm.OpenDict[string, parts](seg, "Dict")), need(shm.OpenDict[int64, int64](seg, "words"))
	done := need(shm.OpenInt64(seg, "done"))
	for n := done.Load() + 2; ; n++ { // one more may have been begun
		p := partsOf(n)
		must(value.Store(background, p))
		must(array.Update(background, func(e []int64) error { return slowly(e, n) }))
		must(text.Store(background, fmt.Sprintf("%0100d", n)))
		must(dict.Set(background, "key", p))
		must(words.Set(background, 1, n))
		must(list.Update(background, 1, func(e *parts) error { *e = p; return nil }))
		done.Store(n)
	}
})

// slowly sets elements one after the other, so that most deaths come in the middle.
func slowly(e []int64, n int64) error {
	for i := range e {
		for range 100 {
			e[i]-- // no process sees it
		}
		e[i] = n
	}
	return nil
}

// A follower looks at changing objects for reading only.
type follower struct {
	t     *testing.T
	done  *shm.Int64
	looks []func() (int64, error) // by changedKinds
	last  []int64
	reads int
}

func follow(t *testing.T, path string) *follower {
	seg := need(shm.OpenReadOnly(path))
	t.Cleanup(func() { wantOK(t, seg.Close()) })
	f := &follower{t: t, done: need(shm.OpenInt64(seg, "done")), last: make([]int64, len(changedKinds))}
	for _, k := range lookKinds {
		if slices.Contains(changedKinds, k.name) {
			f.looks = append(f.looks, need(k.open(seg, k.name)))
		}
	}
	return f
}

// look looks at each object: it is whole, has what was there when the last look began, or what came
// later, and is never taken back.
func (f *follower) look() {
	f.t.Helper()
	for i, look := range f.looks {
		least := max(f.done.Load(), f.last[i])
		n, err := look()
		if err != nil || n < least {
			f.t.Fatalf("%s, look %d: %d, %v; it had %d", changedKinds[i], f.reads, n, err, least)
		}
		f.last[i] = n
		f.reads++
	}
}

// Writers are killed at any instruction, every other one while it is stopped, beside a process that
// only reads. It sees no torn value, none that is taken back, and never waits.
func TestReadOnlyBesideDeaths(t *testing.T) {
	seg := newSegment(t, small)
	for _, k := range lookKinds {
		if slices.Contains(changedKinds, k.name) {
			k.make(seg, k.name, 1)
		}
	}
	done := need(shm.NewInt64(seg, "done", 1))
	elements := need(shm.OpenArray[int64](seg, "Array"))
	f := follow(t, seg.Path())
	deaths, halves := 100, 0
	if testing.Short() {
		deaths = 20
	}
	for i := range deaths {
		c := proctest.Start(t, roleChanger, seg.Path())
		for begun := done.Load(); done.Load() < begun+int64(i%7)+2; {
			f.look()
		}
		if i%2 == 0 {
			c.Signal(syscall.SIGSTOP)
			c.WaitStopped()
		} else {
			c.Kill()
		}
		if !(*parts)(elements.Slice()).whole() {
			halves++
		}
		for range 100 {
			f.look()
		}
		if i%2 == 0 {
			c.Kill()
		}
	}
	t.Logf("%d looks beside %d deaths, %d in the middle of a change of the Array", f.reads, deaths, halves)
}
