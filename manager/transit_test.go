package manager

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// roleSender opens an object of the manager args[0], says a reference to it in hex, and waits.
var roleSender = proctest.Register("sender", func(args []string) {
	m, err := Dial(background, args[0], Options{})
	proctest.ExitOn(err)
	d, err := Desk.New(background, m, []string{"sent"})
	proctest.ExitOn(err)
	b, err := d.MarshalBinary()
	proctest.ExitOn(err)
	proctest.Say("%x", b)
	proctest.Hear()
	d.Close()
})

// A reference on its way outlives the process that has sent it.
func TestRefOutlivesItsSender(t *testing.T) {
	m := start(t, Options{})
	child := proctest.Start(t, roleSender, m.Address())
	b, err := hex.DecodeString(child.Line())
	if err != nil {
		t.Fatal(err)
	}
	child.Kill()
	proctest.Eventually(t, proctest.Hang, func() bool { // the pin alone is left
		list, err := m.Objects(background)
		return err == nil && len(list) == 1 && list[0].References == 1
	}, "the manager has released what the sender had")
	var d Ref[*desk]
	if err := d.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	if all, err := All.Call(background, &d, struct{}{}); err != nil || len(all) != 1 || all[0] != "sent" {
		t.Errorf("%q, error %v", all, err)
	}
	d.Close()
	objects(t, m, 0)
}

// roleShortPin serves at args[0], where references on their way end after a millisecond.
var roleShortPin = proctest.Register("short-pin", func(args []string) {
	l, err := Listen(args[0], Options{})
	proctest.ExitOn(err)
	//clock: the end of the pin is the subject
	_, err = Serve(background, l, Options{Pin: time.Millisecond})
	proctest.ExitOn(err)
	proctest.Say("serves")
	proctest.Hear()
})

// A reference that arrives nowhere ends with Options.Pin, and then means no other object.
func TestPinEnds(t *testing.T) {
	name := proctest.Dir(t) + "/manager"
	child := proctest.Start(t, roleShortPin, name)
	child.Expect("serves")
	m, err := Dial(background, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	d := newDesk(t, m)
	b, err := d.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	d.Close()
	objects(t, m, 0)
	for range 100 {
		newDesk(t, m) // none of them is meant
	}
	var late Ref[*desk]
	if err := late.UnmarshalBinary(b); !errors.Is(err, ErrGone) {
		t.Errorf("error %v", err)
	}
	child.Kill()
}

// takeRef is a task that calls what it gets from a queue.
var takeRef = pool.Define("manager_test.takeRef", func(ctx context.Context, q *queue.Objects[*Ref[*desk]]) (int, error) {
	d, err := q.Get(ctx)
	if err != nil {
		return 0, err
	}
	defer d.Close()
	return Append.Call(ctx, d, "from a queue")
})

// A reference goes to another process through a queue, and its sender need not keep it.
func TestRefThroughQueue(t *testing.T) {
	m := start(t, Options{})
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	q, err := queue.NewObjects[*Ref[*desk]](seg, "", 1<<12, queue.Options{})
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk(t, m)
	kept, err := Sub.Call(background, d, "sub") // one that only the message holds
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Put(background, kept); err != nil {
		t.Fatal(err)
	}
	kept.Close()
	p, err := process.Start(background, takeRef, q, process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Join(background); err != nil {
		t.Fatal(err)
	}
	if code, _ := p.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	objects(t, m, 1)
}

// Once appends a line to a file, and then ends the manager's process.
var Once = Method(Desk, "once", func(_ *desk, _ context.Context, path string) (int64, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = fmt.Fprintln(f, "ran")
	}
	if err != nil {
		return 0, err
	}
	os.Exit(1)
	return 0, nil
})

// A call that the death of the manager has ended is not run again by the one that takes its place.
func TestNoCallRunsTwice(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			file := t.TempDir() + "/runs"
			first := start(t, o)
			o.Name = first.Address() // for tcp with its port
			client, err := Dial(background, o.Name, o)
			if err != nil {
				t.Fatal(err)
			}
			defer client.Close()
			d, err := Desk.Named(background, client, "main", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			var lost *LostError
			if _, err := Once.Call(background, d, file); !errors.As(err, &lost) {
				t.Errorf("error %v", err)
			}
			<-first.Process().Sentinel()
			start(t, o) // under the same name, at once
			ctx, cancel := context.WithTimeout(background, time.Hour)
			defer cancel()
			if n, err := Append.Call(ctx, d, "x"); err != nil || n != 1 {
				t.Errorf("%d, error %v", n, err)
			}
			if b, err := os.ReadFile(file); err != nil || strings.Count(string(b), "ran") != 1 {
				t.Errorf("it ran so: %q, error %v", b, err)
			}
		})
	}
}
