package queue

import (
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

func openSPSC(path string) *SPSC[checked] {
	seg, err := shm.Open(path)
	proctest.ExitOn(err)
	q, err := OpenSPSC[checked](seg, "q", Options{})
	proctest.ExitOn(err)
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

// roleSPSC has the role args[1] of the queue in the segment args[0], and stops in the middle of its
// second message until it hears a line.
var roleSPSC = proctest.Register("spsc-role", func(args []string) {
	q := openSPSC(args[0])
	if args[1] == "put" {
		proctest.ExitOn(q.Put(background, messageOf(1)))
		r, err := q.Reserve(background)
		proctest.ExitOn(err)
		r.Value[0] = 0xdead // half a message
		proctest.Say("in the middle")
		proctest.Hear()
		*r.Value = messageOf(2)
		proctest.ExitOn(r.Commit())
	} else {
		v, err := q.Get(background)
		proctest.ExitOn(err)
		proctest.ExitOn(v.check())
		p, err := q.Peek(background)
		proctest.ExitOn(err)
		proctest.Say("in the middle")
		proctest.Hear()
		proctest.ExitOn(p.Value.check())
		proctest.ExitOn(p.Release())
	}
	proctest.Say("finished")
})

var spscStarts = map[string]uint64{"": 0, "/position wraps": ^uint64(0) - 1}

// A56, A57: the owner of a role is waited for while it lives, stopped or not, and replaced when it
// is dead. A message that it did not finish is never seen, and counted; one that it was reading
// comes again.
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

// A sleeper goes on when the process at the other end dies and a successor takes the role.
func TestSPSCTakeOverWhileTheOtherSleeps(t *testing.T) {
	q, path := namedSPSC(t, 4, Options{})
	child := proctest.Start(t, roleSPSC, path, "put")
	child.Expect("in the middle")
	spscGet(t, q, 1, 1)
	var v checked
	var err error
	done := proctest.MustBlock(t, func() { v, err = q.Get(background) })
	kill(t, child)
	spscPut(t, q, 7, 7)
	<-done
	if err != nil || v != messageOf(7) {
		t.Errorf("got %v, %v", v, err)
	}
	spscAbandoned(t, q, 1)
}
