package queue

import (
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

// roleOne waits to put, or to get, one message in the segment args[0], as args[1] says, and tells
// how it ended.
var roleOne = proctest.Register("one", func(args []string) {
	q := openFor(args[0])
	proctest.Say("waiting")
	var err error
	if args[1] == "put" {
		err = q.Put(background, messageOf(5))
	} else {
		_, err = q.Get(background)
	}
	switch {
	case err == nil:
		proctest.Say("done")
	case errors.Is(err, ErrClosed):
		proctest.Say("closed")
	default:
		proctest.ExitOn(err)
	}
})

// sleepers starts processes that wait for the queue, and returns when they sleep.
func sleepers(t *testing.T, q *Queue[checked], path, op string, n int) (children []*proctest.Child) {
	t.Helper()
	for range n {
		c := proctest.Start(t, roleOne, path, op)
		c.Expect("waiting")
		children = append(children, c)
	}
	asleep.AwaitFor(t, q.o.Seg, "q", n)
	return children
}

// awake expects what the sleepers say, in any order.
func awake(t *testing.T, children []*proctest.Child, done, closed int) {
	t.Helper()
	for _, c := range children {
		switch line := c.Line(); line {
		case "done":
			done--
		case "closed":
			closed--
		default:
			t.Errorf("a sleeper said %q", line)
		}
		c.WaitOK()
	}
	if done != 0 || closed != 0 {
		t.Errorf("%d more should be done, %d more closed", done, closed)
	}
}

// A wake-up is not lost when slots become usable in another order than they were claimed in:
// without care, a waiter would sleep until its next look, a second later.
func TestWakeUpsArePassedOn(t *testing.T) {
	scenes := map[string]func(t *testing.T, q *Queue[checked], path string){
		"get": func(t *testing.T, q *Queue[checked], path string) {
			children := sleepers(t, q, path, "get", 2)
			s, p, _, err := q.r.ClaimPut()
			if err != nil {
				t.Fatal(err)
			}
			putChecked(t, q, 2, 2) // wakes one, in vain
			// the one that was woken in vain sleeps again, mostly
			proctest.Stagger(20 * time.Millisecond)
			q.r.Publish(s, p)
			awake(t, children, 2, 0)
		},
		"put": func(t *testing.T, q *Queue[checked], path string) {
			putChecked(t, q, 1, 4)
			children := sleepers(t, q, path, "put", 2)
			s, p, _, err := q.r.ClaimGet()
			if err != nil {
				t.Fatal(err)
			}
			getChecked(t, q, 2, 2)
			// the one that was woken in vain sleeps again, mostly
			proctest.Stagger(20 * time.Millisecond)
			if err := q.r.Release(s, p); err != nil {
				t.Fatal(err)
			}
			awake(t, children, 2, 0)
		},
		"close": func(t *testing.T, q *Queue[checked], path string) {
			children := sleepers(t, q, path, "get", 3)
			s, p, _, err := q.r.ClaimPut()
			if err != nil {
				t.Fatal(err)
			}
			if err := q.Close(); err != nil {
				t.Fatal(err)
			}
			// the one that was woken in vain sleeps again, mostly
			proctest.Stagger(20 * time.Millisecond)
			q.r.Publish(s, p)
			awake(t, children, 1, 2)
		},
	}
	for name, play := range scenes {
		t.Run(name, func(t *testing.T) {
			for range 5 {
				q, path := namedQueue[checked](t, 4, Options{})
				play(t, q, path)
			}
		})
	}
}
