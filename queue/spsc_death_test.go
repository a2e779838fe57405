package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

func openSPSC(path string) *SPSC[checked] {
	seg, err := shm.Open(path)
	exitOn(err)
	q, err := OpenSPSC[checked](seg, "q", Options{})
	exitOn(err)
	return q
}

// namedSPSC makes a queue in a segment that other processes can open by its path.
func namedSPSC(t testing.TB, capacity int, o Options) (q *SPSC[checked], path string) {
	t.Helper()
	path = proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	q, err = NewSPSC[checked](seg, "q", capacity, o)
	if err != nil {
		t.Fatal(err)
	}
	return q, path
}

// spscPut puts messages without waiting.
func spscPut(t testing.TB, q *SPSC[checked], from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		if err := q.TryPut(messageOf(n)); err != nil {
			t.Fatalf("put %d: %v", n, err)
		}
	}
}

// spscGet takes messages without waiting and checks that they are these.
func spscGet(t testing.TB, q *SPSC[checked], from, to uint64) {
	t.Helper()
	for n := from; n <= to; n++ {
		v, err := q.TryGet()
		if err != nil || v != messageOf(n) {
			t.Fatalf("got %v, %v, want message %d", v, err, n)
		}
	}
}

// spscUsable fills and drains the queue, which is empty, several times.
func spscUsable(t testing.TB, q *SPSC[checked]) {
	t.Helper()
	for range 3 {
		spscPut(t, q, 1, uint64(q.Cap()))
		wantErr(t, q.TryPut(messageOf(0)), ErrFull)
		spscGet(t, q, 1, uint64(q.Cap()))
		_, err := q.TryGet()
		wantErr(t, err, ErrEmpty)
	}
	if q.Len() != 0 {
		t.Errorf("length %d of an empty queue", q.Len())
	}
}

func spscAbandoned(t testing.TB, q *SPSC[checked], want uint64) {
	t.Helper()
	if s := q.Stats(); s.Abandoned != want {
		t.Errorf("stats %+v, want %d abandoned", s, want)
	}
}

// roleSPSC has the role args[1] of the queue in the segment args[0], and stops in the middle of its second message
// until it hears a line.
var roleSPSC = proctest.Register("spsc-role", func(args []string) {
	q := openSPSC(args[0])
	if args[1] == "put" {
		exitOn(q.Put(background, messageOf(1)))
		r, err := q.Reserve(background)
		exitOn(err)
		r.Value[0] = 0xdead // half a message
		proctest.Say("in the middle")
		proctest.Hear()
		*r.Value = messageOf(2)
		exitOn(r.Commit())
	} else {
		v, err := q.Get(background)
		exitOn(err)
		exitOn(v.check())
		p, err := q.Peek(background)
		exitOn(err)
		proctest.Say("in the middle")
		proctest.Hear()
		exitOn(p.Value.check())
		exitOn(p.Release())
	}
	proctest.Say("finished")
})

var spscStarts = map[string]uint64{"": 0, "/position wraps": ^uint64(0) - 1}

// A56, A57: who has a role is waited for while he lives, stopped or not, and replaced when he is dead. His message that was not
// finished is never seen, and counted; the one that he was reading comes again.
func TestSPSCRoles(t *testing.T) {
	for name, start := range spscStarts {
		for _, op := range []string{"put", "get"} {
			for _, end := range []string{"finishes", "dies"} {
				t.Run(op+"/"+end+name, func(t *testing.T) {
					q, path := namedSPSC(t, 4, Options{}.startingAt(start))
					if op == "get" {
						spscPut(t, q, 1, 3)
					}
					child := proctest.Start(t, roleSPSC, path, op)
					child.Expect("in the middle")
					child.Signal(syscall.SIGSTOP)
					child.WaitStopped()
					for range 3 {
						roleIsTaken(t, q, op)
					}
					if op == "put" {
						spscGet(t, q, 1, 1)
						_, err := q.TryGet()
						wantErr(t, err, ErrEmpty)
					} else {
						spscPut(t, q, 4, 5)
						wantErr(t, q.TryPut(messageOf(6)), ErrFull)
					}
					if end == "dies" {
						kill(t, child)
						afterRole(t, q, op)
						return
					}
					child.Signal(syscall.SIGCONT)
					child.Send("go on")
					child.Expect("finished")
					child.WaitOK()
					if op == "put" {
						spscGet(t, q, 2, 2)
					} else {
						spscGet(t, q, 3, 5)
					}
					spscAbandoned(t, q, 0)
					spscUsable(t, q) // the child has ended
				})
			}
		}
	}
}

func roleIsTaken(t *testing.T, q *SPSC[checked], op string) {
	t.Helper()
	if op == "put" {
		wantErr(t, q.TryPut(messageOf(9)), ErrRoleTaken)
		wantErr(t, q.Put(background, messageOf(9)), ErrRoleTaken)
		_, err := q.Reserve(background)
		wantErr(t, err, ErrRoleTaken)
		_, err = q.PutBatch(background, make([]checked, 2))
		wantErr(t, err, ErrRoleTaken)
		return
	}
	_, err := q.TryGet()
	wantErr(t, err, ErrRoleTaken)
	_, err = q.Get(background)
	wantErr(t, err, ErrRoleTaken)
	_, err = q.Peek(background)
	wantErr(t, err, ErrRoleTaken)
	_, err = q.GetBatch(background, make([]checked, 2))
	wantErr(t, err, ErrRoleTaken)
}

// afterRole is what goes when the process in the role is dead.
func afterRole(t *testing.T, q *SPSC[checked], op string) {
	t.Helper()
	if op == "put" {
		spscPut(t, q, 2, 3)
		spscGet(t, q, 2, 3)
		spscAbandoned(t, q, 1)
		spscUsable(t, q)
		spscAbandoned(t, q, 1)
		return
	}
	spscGet(t, q, 2, 5) // message 2 comes again
	spscUsable(t, q)
	spscAbandoned(t, q, 0)
}

// Who sleeps in a queue whose other end dies goes on with who takes the role over.
func TestSPSCTakeOverWhileTheOtherSleeps(t *testing.T) {
	q, path := namedSPSC(t, 4, Options{})
	child := proctest.Start(t, roleSPSC, path, "put")
	child.Expect("in the middle")
	spscGet(t, q, 1, 1)
	var v checked
	var err error
	done := proctest.MustBlock(t, func() { v, err = q.Get(background) })
	kill(t, child)
	began := time.Now()
	spscPut(t, q, 7, 7)
	<-done
	if err != nil || v != messageOf(7) || time.Since(began) > soon {
		t.Errorf("got %v, %v after %v", v, err, time.Since(began))
	}
	spscAbandoned(t, q, 1)
}

// A queue that is closed while its producer has a place reserved ends when that is committed, aborted, or the producer dead.
func TestSPSCCloseWhileReserved(t *testing.T) {
	for _, end := range []string{"finishes", "dies"} {
		t.Run(end, func(t *testing.T) {
			q, path := namedSPSC(t, 4, Options{})
			child := proctest.Start(t, roleSPSC, path, "put")
			child.Expect("in the middle")
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			spscGet(t, q, 1, 1)
			_, err := q.TryGet()
			wantErr(t, err, ErrEmpty)
			var v checked
			done := proctest.MustBlock(t, func() { v, err = q.Get(background) })
			began := time.Now()
			if end == "finishes" {
				child.Send("go on")
				child.Expect("finished")
				child.WaitOK()
				<-done
				if err != nil || v != messageOf(2) {
					t.Errorf("got %v, %v", v, err)
				}
			} else {
				kill(t, child)
				<-done
				wantErr(t, err, ErrClosed)
			}
			if took := time.Since(began); took > 500*time.Millisecond {
				t.Errorf("it took %v", took)
			}
			_, err = q.TryGet()
			wantErr(t, err, ErrClosed)
		})
	}
	t.Run("aborts", func(t *testing.T) {
		q := newSPSC[int64](t, 4, Options{})
		r, err := q.Reserve(background)
		wantErr(t, err, nil)
		wantErr(t, q.Close(), nil)
		var got error
		done := proctest.MustBlock(t, func() { _, got = q.Get(background) })
		wantErr(t, r.Abort(), nil)
		<-done
		wantErr(t, got, ErrClosed)
	})
}

// roleSPSCTraffic puts checked messages from args[2] on, or gets them, until the end, in the segment args[0]. A consumer that has
// taken args[2] messages closes the queue.
var roleSPSCTraffic = proctest.Register("spsc-traffic", func(args []string) {
	q := openSPSC(args[0])
	proctest.Say("ready")
	n := uint64(0)
	if args[1] == "put" {
		exitOn(scan(args[2], &n))
		for ; ; n++ {
			err := q.Put(background, messageOf(n))
			if errors.Is(err, ErrClosed) {
				proctest.Say("%d", n-1) // the last one that was put
				return
			}
			exitOn(err)
		}
	}
	for v, err := range q.All(background) {
		exitOn(err)
		exitOn(v.check())
		if v[0] <= n {
			exitOn(fmt.Errorf("message %d after %d", v[0], n))
		}
		n = v[0]
	}
	proctest.Say("%d", n)
})

// A message that races with Close is delivered, or its Put has returned ErrClosed: the last message that was put is the last one got.
func TestSPSCCloseRaces(t *testing.T) {
	for _, capacity := range []int{1, 4, 256} {
		for round := range 12 {
			q, path := namedSPSC(t, capacity, Options{})
			consumer := proctest.Start(t, roleSPSCTraffic, path, "get")
			producer := proctest.Start(t, roleSPSCTraffic, path, "put", "1")
			consumer.Expect("ready")
			producer.Expect("ready")
			time.Sleep(time.Duration(round) * 700 * time.Microsecond)
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			put, got := producer.Line(), consumer.Line()
			producer.WaitOK()
			consumer.WaitOK()
			if put != got {
				t.Fatalf("capacity %d: the last put is %s, the last got %s", capacity, put, got)
			}
			if s := q.Stats(); fmt.Sprint(s.Put) != put || s.Put != s.Got || s.Abandoned != 0 {
				t.Fatalf("%+v, after %s", s, put)
			}
		}
	}
}

// The same within a process, many times, where the close comes at any instruction.
func TestSPSCCloseRacesInside(t *testing.T) {
	seg := newSegment(t, bigSegment)
	for round := range 500 {
		q, err := NewSPSC[int64](seg, "q", 4, Options{})
		if err != nil {
			t.Fatal(err)
		}
		put, got := make(chan int64), make(chan int64)
		go func() {
			n := int64(1)
			for ; q.Put(background, n) == nil; n++ {
			}
			put <- n - 1
		}()
		go func() {
			last := int64(0)
			for v, err := range q.All(background) {
				if err != nil || v != last+1 {
					t.Error(v, err)
				}
				last = v
			}
			got <- last
		}()
		for range round * 10 {
			q.Closed()
		}
		q.Close()
		if p, g := <-put, <-got; p != g {
			t.Fatalf("round %d: the last put is %d, the last got %d", round, p, g)
		}
		if err := seg.RemoveObject("q"); err != nil {
			t.Fatal(err)
		}
	}
}

// Both ends are killed again and again, at any time: what comes out is whole and in order, and at most the message in a
// dead one's hands is missing or, where it died as the consumer, was not seen.
func TestSPSCKilledAtRandom(t *testing.T) {
	q, path := namedSPSC(t, 8, Options{}.startingAt(^uint64(0)-100))
	from := uint64(1)
	for round := range 15 {
		producer := proctest.Start(t, roleSPSCTraffic, path, "put", fmt.Sprint(from))
		consumer := proctest.Start(t, roleSPSCTraffic, path, "get")
		producer.Expect("ready")
		consumer.Expect("ready")
		time.Sleep(time.Duration(3+7*round%11) * time.Millisecond)
		first, second := producer, consumer
		if round%2 == 1 {
			first, second = consumer, producer
		}
		kill(t, first)
		time.Sleep(time.Duration(round%3) * time.Millisecond)
		kill(t, second)
		last := uint64(0)
		for {
			v, err := q.TryGet()
			if err == ErrEmpty {
				break
			}
			if err != nil || v.check() != nil || last != 0 && v[0] != last+1 {
				t.Fatalf("got %v, %v after %d", v, err, last)
			}
			last = v[0]
		}
		spscUsable(t, q)
		if s := q.Stats(); s.Abandoned > uint64(round+1) {
			t.Fatalf("stats %+v after %d deaths of producers", s, round+1)
		}
		from += 1 << 32
		closeAgain(t, &q, path) // this process leaves both roles
	}
}

// closeAgain closes the segment of q and opens it again.
func closeAgain(t *testing.T, q **SPSC[checked], path string) {
	t.Helper()
	next := reopen(t, path)
	if err := (*q).o.Seg.Close(); err != nil {
		t.Fatal(err)
	}
	var err error
	if *q, err = OpenSPSC[checked](next, "q", Options{}); err != nil {
		t.Fatal(err)
	}
}

// Options that an SPSC cannot have are refused.
func TestSPSCOptions(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, o := range []Options{{WhenFull: DropOldest}, {WhenFull: 7}, {WhenFull: -1}, {Joinable: true}} {
		_, err := NewSPSC[int64](seg, "q", 1, o)
		wantErr(t, err, fs.ErrInvalid)
		_, err = OpenSPSC[int64](seg, "q", o)
		wantErr(t, err, fs.ErrInvalid)
	}
}
