//go:build linux

package queue

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
	"golang.org/x/sys/unix"
)

// pin keeps this process on one processor.
func pin() {
	var set unix.CPUSet
	proctest.ExitOn(unix.SchedGetaffinity(0, &set))
	for cpu := range 1024 {
		if set.IsSet(cpu) {
			set.Zero()
			set.Set(cpu)
			break
		}
	}
	proctest.ExitOn(unix.SchedSetaffinity(0, &set))
	runtime.GOMAXPROCS(1)
}

// roleTaker takes one message for each line from queue 1 of the segment args[0], or, as args[1]
// says, what a Select of queues 0 and 1 returns, and says from which.
var roleTaker = proctest.Register("select-taker", func(args []string) {
	pin()
	seg := mustOpen(shm.Open(args[0]))
	var queues []*Queue[int64]
	var sources []shmsync.Source
	for i := range 2 {
		q := mustOpen(OpenQueue[int64](seg, fmt.Sprint(i), parked))
		queues, sources = append(queues, q), append(sources, q.Gets())
	}
	for {
		proctest.Hear()
		i := 1
		if args[1] == "select" {
			s := shmsync.NewSelect(sources...) // that is not closed: its caller is busy
			for {                              // the Get may be faster
				i = mustOpen(s.Wait(background))
				if _, err := queues[i].TryGet(); !errors.Is(err, ErrEmpty) {
					proctest.ExitOn(err)
					break
				}
			}
		} else {
			mustOpen(queues[1].Get(background))
		}
		proctest.Say("%d", i)
	}
})

// rolePutter puts, for each line, a message into queue 1 and one into queue 0 of the segment
// args[0].
var rolePutter = proctest.Register("select-putter", func(args []string) {
	pin()
	seg := mustOpen(shm.Open(args[0]))
	q0, q1 := mustOpen(OpenQueue[int64](seg, "0", parked)), mustOpen(OpenQueue[int64](seg, "1", parked))
	for {
		proctest.Hear()
		proctest.ExitOn(q1.TryPut(1))
		proctest.ExitOn(q0.TryPut(0))
		proctest.Say("put")
	}
})

// A Select and then a Get sleep on queue 1. Queues 1 and 0 get a message before the Select runs,
// which returns 0, and stays busy. The wake-up of queue 1, which it has used up, goes to the Get.
func TestSelectPassesOn(t *testing.T) {
	seg := mustOpen(shm.Create(proctest.Dir(t)+"/segment", shm.Options{}))
	defer seg.Close()
	queues := []*Queue[int64]{}
	for i := range 2 {
		queues = append(queues, mustOpen(NewQueue[int64](seg, fmt.Sprint(i), 4, parked)))
	}
	selects := proctest.Start(t, roleTaker, seg.Path(), "select")
	gets := proctest.Start(t, roleTaker, seg.Path(), "get")
	puts := proctest.Start(t, rolePutter, seg.Path())
	passed := 0
	for round := 0; round < 1000 && passed < 10; round++ {
		selects.Send("go")
		asleep.AwaitFor(t, seg, "0", 1)
		gets.Send("go")
		asleep.AwaitFor(t, seg, "1", 2)
		puts.Send("go")
		puts.Expect("put")
		switch selects.Line() {
		case "0":
			passed++
		case "1": // it ran in between, and has left nothing for the Get
			mustGet(t, queues[0], 0)
			mustPut(t, queues[1], 1)
		}
		gets.Expect("1") // otherwise it sleeps for an hour
		for _, q := range queues {
			for q.Len() > 0 {
				mustOpen(q.TryGet())
			}
		}
	}
	t.Logf("%d wake-ups were passed on", passed)
	for _, child := range []*proctest.Child{selects, gets, puts} {
		child.Kill()
	}
}

// A soaked is what the processes of a soak share: three queues of numbers, and how often each
// number came.
type soaked struct {
	queues []*Queue[int64]
	seen   *shm.RawArray[int32]
	up     *shm.Int64 // consumers that have begun
}

const soakNumbers = 1 << 20

func openSoak(seg *shm.Segment) (s soaked) {
	for i := range 3 {
		s.queues = append(s.queues, mustOpen(NewQueue[int64](seg, fmt.Sprint(i), 64, Options{})))
	}
	s.seen = mustOpen(shm.NewRawArray[int32](seg, "seen", soakNumbers))
	s.up = mustOpen(shm.NewInt64(seg, "up", 0))
	return s
}

func (s *soaked) count(n int64) { atomic.AddInt32(&s.seen.Slice()[n], 1) }

// roleSoakConsumer consumes for ever: by two Selects, of which one is cancelled again and again,
// and by a Get.
var roleSoakConsumer = proctest.Register("select-soak", func(args []string) {
	s := openSoak(mustOpen(shm.Open(args[0])))
	for g := range 2 {
		go func() {
			sel := shmsync.NewSelect(s.queues[0].Gets(), s.queues[1].Gets(), s.queues[2].Gets())
			for {
				ctx, cancel := context.WithCancel(background)
				if g == 1 {
					go func() {
						proctest.Stagger(2 * time.Millisecond)
						cancel()
					}()
				}
				i, err := sel.Wait(ctx)
				cancel()
				if errors.Is(err, context.Canceled) {
					continue
				}
				proctest.ExitOn(err)
				if n, err := s.queues[i].TryGet(); err == nil {
					s.count(n)
				} else if !errors.Is(err, ErrEmpty) {
					proctest.ExitOn(err)
				}
			}
		}()
	}
	s.up.Add(1)
	for {
		n, err := s.queues[0].Get(background)
		proctest.ExitOn(err)
		s.count(n)
	}
})

// soakKills is how many consumers are killed.
func soakKills() int {
	if long {
		return 200
	}
	return 20
}

// Consumers with Selects get each message once. Without deaths the wake-ups alone are enough:
// sleeps last an hour. When consumers are killed, no more is lost than they had in their hands.
func TestSelectSoak(t *testing.T) {
	for _, kills := range []int{0, soakKills()} {
		t.Run(fmt.Sprint(kills), func(t *testing.T) {
			if kills > 0 {
				//clock: a killed consumer may take a wake-up with it, which the backstop replaces
				defer wait.SetBackstop(wait.Backstop)()
			}
			seg := mustOpen(shm.Create(proctest.Dir(t)+"/segment", shm.Options{Size: 64 << 20}))
			defer seg.Close()
			s := openSoak(seg)
			children := []*proctest.Child{}
			begin := func(i int) {
				before := s.up.Load()
				child := proctest.Start(t, roleSoakConsumer, seg.Path())
				proctest.Eventually(t, proctest.Hang, func() bool { return s.up.Load() > before }, "the consumer does not begin")
				if i == len(children) {
					children = append(children, child)
				}
				children[i] = child
			}
			begin(0)
			begin(1)
			sent := int64(0)
			put := func() {
				for range 1 + rand.IntN(3) {
					ctx, cancel := context.WithTimeout(background, proctest.Hang)
					err := s.queues[rand.IntN(3)].Put(ctx, sent)
					cancel()
					wantErr(t, err, nil)
					sent++
				}
			}
			for sent < 2000 {
				proctest.Stagger(300 * time.Microsecond) // so that consumers sleep in between
				put()
			}
			for k := range kills {
				for range 50 {
					proctest.Stagger(300 * time.Microsecond)
					put()
				}
				children[k%2].Kill()
				begin(k % 2)
			}
			left := func() (n int) {
				for _, q := range s.queues {
					n += q.Len()
				}
				return n
			}
			proctest.Eventually(t, proctest.Hang, func() bool { return left() == 0 }, "messages are left")
			missing := func() (n int) {
				for i := range sent {
					if atomic.LoadInt32(&s.seen.Slice()[i]) == 0 {
						n++
					}
				}
				return n
			}
			held := 3 * kills // each consumer has three goroutines with one message at most
			proctest.Eventually(t, proctest.Hang, func() bool { return missing() <= held }, "messages are lost")
			for i := range sent {
				if n := atomic.LoadInt32(&s.seen.Slice()[i]); n > 1 {
					t.Errorf("message %d came %d times", i, n)
				}
			}
			t.Logf("%d messages, %d consumers killed, %d messages lost with them", sent, kills, missing())
			for _, child := range children {
				child.Kill()
			}
		})
	}
}

// A Select beside ten thousand goroutines in Get: each message wakes one of them, or the Select.
func TestSelectBesideManyGets(t *testing.T) {
	getters := 10_000
	if testing.Short() {
		getters = 1000
	}
	seg := newSegment(t, bigSegment)
	q := mustOpen(NewQueue[int64](seg, "q", 64, Options{}))
	other := mustOpen(NewQueue[int64](seg, "other", 64, Options{}))
	s := newSelect(t, q.Gets(), other.Gets())
	woken := selectAside(t, seg, s)
	var got sync.WaitGroup
	for range getters {
		got.Go(func() {
			if _, err := q.Get(background); err != nil {
				t.Error(err)
			}
		})
	}
	asleep.AwaitFor(t, seg, "q", 2)
	for range getters {
		wantErr(t, q.Put(background, 1), nil)
	}
	ended := make(chan struct{})
	go func() { got.Wait(); close(ended) }()
	proctest.Ends(t, ended, "goroutines are left in Get")
	mustPut(t, other, 1)
	// it was woken for q, and has left the message to a Get
	if i := proctest.Ends(t, woken, "the Select sleeps on"); i == 0 {
		wantReady(t, s, 1)
	}
}

// Many Selects sleep on the same queues, also in one process: each message reaches one of them.
func TestManySelects(t *testing.T) {
	const selects, messages = 64, 640
	seg := newSegment(t, bigSegment)
	var queues []*Queue[int64]
	var sources []shmsync.Source
	for i := range 3 {
		q := mustOpen(NewQueue[int64](seg, fmt.Sprint(i), 64, Options{}))
		queues, sources = append(queues, q), append(sources, q.Gets())
	}
	ctx, cancel := context.WithCancel(background)
	got := make(chan int64, messages)
	var all sync.WaitGroup
	for range selects {
		all.Go(func() {
			s := shmsync.NewSelect(sources...)
			defer s.Close()
			for {
				i, err := s.Wait(ctx)
				if err != nil {
					return
				}
				if n, err := queues[i].TryGet(); err == nil {
					got <- n
				}
			}
		})
	}
	asleep.Await(t, seg, 31)
	for n := range int64(messages) {
		wantErr(t, queues[n%3].Put(background, n), nil)
	}
	seen := make([]bool, messages)
	for range messages {
		n := proctest.Ends(t, got, "messages are left")
		if seen[n] {
			t.Errorf("message %d came twice", n)
		}
		seen[n] = true
	}
	cancel()
	all.Wait()
}

// More sources than one sleep in the kernel is for, of another process's queue.
func TestSelectOfManyQueues(t *testing.T) {
	for _, n := range []int{1, 40, 120, 121} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			seg := mustOpen(shm.Create(proctest.Dir(t)+"/segment", shm.Options{Size: 8 << 20}))
			defer seg.Close()
			var queues []*Queue[int64]
			var sources []shmsync.Source
			for i := range n {
				q := mustOpen(NewQueue[int64](seg, fmt.Sprint(i), 2, Options{}))
				queues, sources = append(queues, q), append(sources, q.Gets())
			}
			s := newSelect(t, sources...)
			child := proctest.Start(t, rolePutsInto, seg.Path())
			for _, i := range []int{0, n / 2, n - 1} {
				woken := selectAside(t, seg, s)
				child.Send(fmt.Sprint(i))
				wantWoken(t, woken, i)
				mustGet(t, queues[i], 7)
				wantNoneReady(t, s)
			}
			child.Kill()
		})
	}
}

// rolePutsInto puts 7 into the queue of each name that it is told.
var rolePutsInto = proctest.Register("select-puts-into", func(args []string) {
	seg := mustOpen(shm.Open(args[0]))
	for {
		q := mustOpen(OpenQueue[int64](seg, strings.TrimSpace(proctest.Hear()), Options{}))
		proctest.ExitOn(q.Put(background, 7))
	}
})
