//go:build crashtest

package queue

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A bytesScene is an operation of a process that is killed while others wait for it, or it for
// them.
type bytesScene struct {
	options Options
	do      func(b *Bytes) error // in the process that is killed
	full    bool                 // the queue is full before
	taker   bool                 // a process takes all that comes, from the beginning
	giver   bool                 // a process puts what the queue has no room for, and waits
	slowly  bool                 // messages are taken, or put, while the operation waits for that
	lost    int                  // how many messages may not come, at the most
}

var bytesScenes = map[string]bytesScene{
	"put, a consumer sleeps":     {do: bytesPut, taker: true},
	"reserve, a consumer sleeps": {do: bytesReserve, taker: true},
	"batch, a consumer sleeps":   {do: bytesPutBatch, taker: true},
	"get, a producer sleeps":     {do: bytesGet, full: true, giver: true, lost: 1},
	"peek, a producer sleeps":    {do: bytesPeek, full: true, giver: true, lost: 1},
	"put waits":                  {do: bytesPut, full: true, slowly: true},
	"get waits":                  {do: bytesGet, slowly: true, lost: 1},
	"put drops":                  {do: bytesPut, options: Options{WhenFull: DropOldest}, full: true, lost: 2},
	"task":                       {do: bytesTask, options: Options{Joinable: true}, full: true, lost: 1},
}

func bytesPut(b *Bytes) error { return b.Put(background, []byte("victim")) }

func bytesReserve(b *Bytes) error {
	res, err := b.Reserve(background, 6)
	if err != nil {
		return err
	}
	copy(res.Value, "victim")
	return res.Commit()
}

func bytesPutBatch(b *Bytes) error {
	_, err := b.PutBatch(background, [][]byte{[]byte("victim"), []byte("victim")})
	return err
}

func bytesGet(b *Bytes) error {
	_, err := b.Get(background)
	return err
}

func bytesPeek(b *Bytes) error {
	p, err := b.Peek(background)
	if err != nil {
		return err
	}
	return p.Release()
}

func bytesTask(b *Bytes) error {
	if err := bytesGet(b); err != nil {
		return err
	}
	return b.TaskDone()
}

// roleBytesScene plays its part in scene args[1] in the segment args[0], and is killed in that.
var roleBytesScene = proctest.Register("bytes-scene", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	scene := bytesScenes[args[1]]
	b, err := OpenBytes(seg, "b", scene.options)
	proctest.ExitOn(err)
	proctest.Armed(func() { proctest.ExitOn(scene.do(b)) })
})

// A waiter for a process that dies anywhere goes on soon; what was put comes in order, but for what
// the dead process had claimed.
func TestBytesCrashWhileOthersWait(t *testing.T) {
	for name, scene := range bytesScenes {
		t.Run(name, func(t *testing.T) {
			proctest.Sweep(t, 1, func(p *proctest.Crash) { scene.play(t, p, name) })
		})
	}
}

// play kills a process at its crash point, unless it survives.
func (s bytesScene) play(t *testing.T, p *proctest.Crash, name string) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	b, err := NewBytes(seg, "b", 40, s.options.startingAt(^uint64(0)-39))
	wantErr(t, err, nil)
	var want []string // what is put, in this order
	put := func() error {
		m := fmt.Sprintf("%04d", len(want))
		err := b.TryPut([]byte(m))
		if err == nil {
			want = append(want, m)
		}
		return err
	}
	for s.full && put() == nil {
	}
	var got []string
	var others, giving sync.WaitGroup
	if s.taker {
		others.Go(func() { got = takeUntil(t, b, "last") })
		asleep.Await(t, seg, 1)
	}
	if s.giver {
		want = append(want, "given")
		giving.Go(func() { wantErr(t, b.Put(background, []byte("given")), nil) })
		asleep.AwaitFor(t, seg, "b", 1)
	}
	p.Start(roleBytesScene, path, name)
	over := make(chan struct{})
	if s.slowly {
		others.Go(func() {
			for s.full || len(want) < 2 { // while it may be waiting
				select {
				case <-over:
					return
				default:
					proctest.Stagger(10 * time.Millisecond)
				}
				if !s.full {
					put()
				} else if m, err := b.TryGet(); err == nil {
					got = append(got, string(m))
				}
			}
		})
	}
	survived := p.Wait()
	close(over)
	if s.slowly {
		others.Wait()
	}
	if !s.taker {
		others.Go(func() { got = append(got, takeUntil(t, b, "last")...) })
	}
	giving.Wait()
	wantErr(t, b.Put(background, []byte("last")), nil)
	others.Wait()
	want = append(want, "last")
	if s.options.Joinable {
		for b.TaskDone() == nil {
		}
		ctx, cancel := context.WithTimeout(background, proctest.Hang)
		wantErr(t, b.Join(ctx), nil)
		cancel()
	}
	s.check(t, got, want, survived)
	if a := b.Stats().Abandoned; a > 1 || survived && a != 0 {
		t.Errorf("%d abandoned", a)
	}
	wantErr(t, seg.Close(), nil)
}

// takeUntil takes messages until that one has come.
func takeUntil(t *testing.T, b *Bytes, last string) (got []string) {
	ctx, cancel := context.WithTimeout(background, proctest.Hang)
	defer cancel()
	for m, err := range b.All(ctx) {
		if err != nil {
			t.Errorf("after %q: %v", got, err)
			return got
		}
		if got = append(got, string(m)); string(m) == last {
			break
		}
	}
	return got
}

// check compares what came with what was put.
func (s bytesScene) check(t *testing.T, got, want []string, survived bool) {
	t.Helper()
	came, victims := slices.Clone(got), len(got)
	got = slices.DeleteFunc(got, func(m string) bool { return m == "victim" })
	victims -= len(got)
	lost := 0
	for _, m := range want {
		if len(got) > 0 && got[0] == m {
			got = got[1:]
		} else {
			lost++
		}
	}
	if len(got) > 0 || lost > s.lost || victims > 2 {
		t.Errorf("of %q came %q", want, came)
	}
	if survived && s.taker && victims == 0 {
		t.Error("what was put did not come")
	}
}
