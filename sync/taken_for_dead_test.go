//go:build linux

package shmsync_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// restoredAgent uses locks as it is told, and says what came of it.
var restoredAgent = proctest.Register("restored agent", func(args []string) {
	seg, err := shm.Open(args[0])
	if err != nil {
		panic(err)
	}
	m, err := shmsync.NewMutex(seg, "m", shmsync.MutexOptions{})
	if err != nil {
		panic(err)
	}
	c, err := shmsync.NewCond(seg, "c", shmsync.CondOptions{})
	if err != nil {
		panic(err)
	}
	units, err := shmsync.NewSemaphore(seg, "units", 2, shmsync.SemaphoreOptions{Undo: true})
	if err != nil {
		panic(err)
	}
	count, err := shmsync.NewWaitGroup(seg, "count", shmsync.WaitGroupOptions{Undo: true})
	if err != nil {
		panic(err)
	}
	proctest.Say("ready")
	for {
		switch proctest.Hear() {
		case "acquire":
			proctest.Say("%s", saying(units.Acquire(context.Background(), 1)))
		case "release":
			proctest.Say("%s", saying(units.Release(1)))
		case "add":
			proctest.Say("%s", saying(count.Add(1)))
		case "done":
			proctest.Say("%s", saying(count.Done()))
		case "wait": // with the lock
			proctest.Say("%s", saying(c.Wait(context.Background(), m)))
		case "lock":
			proctest.Say("%s", saying(m.Lock(context.Background())))
		case "try":
			proctest.Say("%s", saying(m.TryLock()))
		case "unlock":
			m.Unlock()
			proctest.Say("unlocked")
		case "close":
			proctest.Say("%v", seg.Close())
			return
		}
	}
})

// saying is a short word for what a lock says.
func saying(err error) string {
	switch {
	case errors.Is(err, shmsync.ErrTakenForDead):
		return "taken for dead"
	case errors.Is(err, shmsync.ErrLocked):
		return "held"
	case err != nil:
		return err.Error()
	}
	return "locked"
}

// markDead writes what the kernel does at the end of a process into its word in the table of the
// segment.
func markDead(t *testing.T, path string, pid int) {
	t.Helper()
	const waiters, died = 1 << 31, 1 << 30
	threads := map[uint32]bool{}
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		t.Skip(err)
	}
	for _, task := range tasks {
		id, _ := strconv.Atoi(task.Name())
		threads[uint32(id)] = true
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 64<<10)
	if _, err := io.ReadFull(f, b); err != nil {
		t.Fatal(err)
	}
	marked := 0
	for at := 0; at < len(b); at += 4 {
		if w := binary.NativeEndian.Uint32(b[at:]); w&(waiters|died) == waiters && threads[w&(died-1)] {
			if _, err := f.WriteAt(binary.NativeEndian.AppendUint32(nil, waiters|died), int64(at)); err != nil {
				t.Fatal(err)
			}
			marked++
		}
	}
	if marked != 1 {
		t.Skipf("%d words name a thread of the process: there are no robust lists", marked)
	}
}

// A process that was taken for dead and lives, as one that is restored from a checkpoint, gets no
// lock any more, learns why, and harms no lock of others.
func TestTakenForDead(t *testing.T) {
	path := filepath.Join(proctest.Dir(t), "scene")
	seg, err := shm.Create(path, shm.Options{Processes: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	m, err := shmsync.NewMutex(seg, "m", shmsync.MutexOptions{Repair: func() error { return nil }})
	if err != nil {
		t.Fatal(err)
	}
	for _, scene := range []string{"outside", "inside", "before another"} {
		a := proctest.Start(t, restoredAgent, path)
		a.Expect("ready")
		a.Send("lock")
		a.Expect("locked")
		if scene != "inside" {
			a.Send("unlock")
			a.Expect("unlocked")
		}
		markDead(t, path, a.PID())
		if scene == "before another" { // which gets the slot, perhaps
			b := proctest.Start(t, restoredAgent, path)
			b.Expect("ready")
			b.Send("close")
			b.Expect("<nil>")
			b.WaitOK()
		}
		if err := m.Lock(t.Context()); err != nil { // it is taken over
			t.Fatalf("%s: %v", scene, err)
		}
		if scene == "inside" {
			a.Send("unlock") // it is not its own any more
			a.Expect("unlocked")
		}
		a.Send("try")
		if got := a.Line(); got != "taken for dead" && got != "held" {
			t.Errorf("%s: try: %s", scene, got)
		}
		a.Send("lock")
		a.Expect("taken for dead")
		m.Unlock()
		for _, how := range []string{"try", "lock"} {
			a.Send(how)
			a.Expect("taken for dead")
		}
		if err := m.TryLock(); err != nil {
			t.Errorf("%s: the lock was left held: %v", scene, err)
		} else {
			m.Unlock()
		}
		a.Send("close")
		a.Expect("<nil>")
		a.WaitOK()
	}
}

// The same for what a process has taken of a Semaphore and a WaitGroup with Undo, and for one that
// waits at a Cond: the others get back what it had, and it gets nothing more.
func TestOthersTakenForDead(t *testing.T) {
	path := filepath.Join(proctest.Dir(t), "scene")
	seg, err := shm.Create(path, shm.Options{Processes: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	m := newMutex(t, seg, "m")
	c := newCond(t, seg, "c")
	units, err := shmsync.NewSemaphore(seg, "units", 2, shmsync.SemaphoreOptions{Undo: true})
	wantErr(t, "make", err, nil)
	count, err := shmsync.NewWaitGroup(seg, "count", shmsync.WaitGroupOptions{Undo: true})
	wantErr(t, "make", err, nil)
	a := proctest.Start(t, restoredAgent, path)
	a.Expect("ready")
	for _, order := range []string{"acquire", "add", "lock"} {
		a.Send(order)
		a.Expect("locked")
	}
	a.Send("wait")
	proctest.Eventually(t, proctest.Hang, func() bool { return c.Waiting() == 1 }, "the process does not wait")
	wantErr(t, "lock after it has unlocked", m.Lock(t.Context()), nil)
	m.Unlock()
	markDead(t, path, a.PID())
	wantErr(t, "acquire all", units.Acquire(t.Context(), 2), nil)
	wantErr(t, "wait for what it had added", count.Wait(t.Context()), nil)
	c.Broadcast()
	a.Expect("taken for dead")
	for _, order := range []string{"acquire", "release", "add", "done", "lock"} {
		a.Send(order)
		a.Expect("taken for dead")
	}
	wantErr(t, "release all", units.Release(2), nil)
	a.Send("acquire") // of what is free
	a.Expect("taken for dead")
	wantErr(t, "lock", m.Lock(t.Context()), nil)
	m.Unlock()
	a.Send("close")
	a.Expect("<nil>")
	a.WaitOK()
}
