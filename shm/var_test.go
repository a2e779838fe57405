//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

type routes struct {
	Hosts []string
	Limit int
}

func useVar[T any](t *testing.T, values []T, equal func(a, b T) bool) {
	t.Helper()
	seg := newSegment(t, small)
	v := need(shm.NewVar(seg, "v", values[0]))
	again := need(shm.OpenVar[T](seg, "v"))
	var sent shm.Var[T]
	wantOK(t, sent.UnmarshalBinary(need(v.MarshalBinary())))
	for i, want := range append(values, values...) {
		if i > 0 {
			wantOK(t, v.Store(background, want))
		}
		for _, h := range []*shm.Var[T]{v, again, &sent} {
			for range 2 {
				if got, err := h.Load(); err != nil || !equal(got, want) {
					t.Errorf("value %d: %v, %v, want %v", i, got, err, want)
				}
			}
		}
	}
	wantOK(t, again.Update(background, func(old T) (T, error) {
		if !equal(old, values[len(values)-1]) {
			t.Errorf("Update gets %v", old)
		}
		return values[0], nil
	}))
	if err := v.Update(background, func(T) (T, error) { return values[1], errMine }); err != errMine {
		t.Errorf("Update with an error: %v", err)
	}
	if got, revision, err := v.Wait(background, 0); err != nil || !equal(got, values[0]) || revision != shm.Revision(2*len(values))+1 {
		t.Errorf("Wait: %v, %d, %v", got, revision, err)
	}
	wantOK(t, v.Detach())
	if _, err := v.Load(); !errors.Is(err, shm.ErrClosed) {
		t.Errorf("Load after Detach: %v", err)
	}
}

func TestVarOfEachForm(t *testing.T) {
	long := strings.Repeat("long", 5000)
	t.Run("string", func(t *testing.T) { useVar(t, []string{"", "a\x00b", long, "short"}, equalTo) })
	t.Run("bytes", func(t *testing.T) { useVar(t, [][]byte{{1}, {}, []byte(long)}, slices.Equal) })
	t.Run("number", func(t *testing.T) { useVar(t, []int64{1, -2, 3}, equalTo) })
	t.Run("objects", func(t *testing.T) {
		useVar(t, []routes{{nil, 1}, {[]string{"a", "b"}, 2}}, deep)
	})
}

func TestVarErrors(t *testing.T) {
	seg := newSegment(t, small)
	v := need(shm.NewVar(seg, "v", "old"))
	var full *shm.NoSpaceError
	if err := v.Store(background, strings.Repeat("v", 1<<20)); !errors.As(err, &full) {
		t.Errorf("a value larger than the segment: %v", err)
	}
	if got, err := v.Load(); got != "old" || err != nil {
		t.Errorf("the value is %q, %v", got, err)
	}
	if _, err := shm.OpenVar[int64](seg, "v"); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a Var of another type: %v", err)
	}
	if _, err := shm.OpenVar[string](seg, "none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a Var that does not exist: %v", err)
	}
	if same, err := shm.NewVar(seg, "v", "a longer initial value"); err != nil || need(same.Load()) != "old" {
		t.Errorf("the initial value matters for a Var that is there: %v", err)
	}
	ctx, cancel := context.WithCancelCause(background)
	cancel(errMine)
	if _, _, err := v.Wait(ctx, 1); !errors.Is(err, errMine) {
		t.Errorf("Wait under a context that has ended: %v", err)
	}
}

// varWriter: SEGMENT, stores values of one letter, of all lengths, until it is killed.
var roleVarWriter = proctest.Register("var writer", func(args []string) {
	v := need(shm.OpenVar[string](need(shm.Open(args[0])), "v"))
	proctest.Say("ready")
	for i := 0; ; i++ {
		must(v.Store(background, strings.Repeat(string(rune('a'+i%26)), 1+i*i%5000)))
	}
})

// Writers are killed at random: a reader sees whole values only, a waiter each that stays, and no
// block leaks.
func TestVarUnderKills(t *testing.T) {
	seg := newSegment(t, small)
	v := need(shm.NewVar(seg, "v", "a"))
	ctx, cancel := context.WithCancel(background)
	var readers sync.WaitGroup
	readers.Go(func() {
		for got, err := range v.Changes(ctx) {
			if err != nil {
				return
			}
			if strings.Trim(got, got[:1]) != "" {
				t.Errorf("torn: %q", got)
			}
		}
	})
	for range 60 {
		w := proctest.Start(t, roleVarWriter, seg.Path())
		w.Expect("ready")
		proctest.Stagger(2e6)
		w.Signal(syscall.SIGKILL)
		w.Wait()
		wantOK(t, v.Store(background, "m"))
		if got := need(v.Load()); got != "m" {
			t.Errorf("after a death: %q", got)
		}
	}
	cancel()
	readers.Wait()
	wantOK(t, seg.RemoveObject("v"))
	wantOK(t, v.Detach())
}

// follower: SEGMENT, says each value that it waits for.
var roleFollower = proctest.Register("follower", func(args []string) {
	v := need(shm.OpenVar[int64](need(shm.Open(args[0])), "v"))
	for got, err := range v.Changes(background) {
		must(err)
		proctest.Say("%d", got)
	}
})

func TestVarIsFollowed(t *testing.T) {
	seg := newSegment(t, small)
	v := need(shm.NewVar(seg, "v", int64(0)))
	var followers []*proctest.Child
	for range 3 {
		followers = append(followers, proctest.Start(t, roleFollower, seg.Path()))
	}
	for i := range int64(20) {
		if i > 0 {
			wantOK(t, v.Store(background, i))
		}
		for _, f := range followers {
			f.Expect(fmt.Sprint(i))
		}
	}
	for _, f := range followers {
		f.Kill()
	}
}

// Processes read a configuration all the time, and see a new one at once.
func ExampleVar() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	hosts, err := shm.NewVar(seg, "hosts", []string{"a.example"})
	if err != nil {
		log.Fatal(err)
	}
	if err := hosts.Store(context.Background(), []string{"a.example", "b.example"}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(hosts.Load())
	// Output: [a.example b.example] <nil>
}
