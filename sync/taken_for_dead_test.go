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

// restoredAgent uses a mutex as it is told, and says what came of it.
var restoredAgent = proctest.Register("restored agent", func(args []string) {
	seg, err := shm.Open(args[0])
	if err != nil {
		panic(err)
	}
	m, err := shmsync.NewMutex(seg, "m", shmsync.MutexOptions{})
	if err != nil {
		panic(err)
	}
	proctest.Say("ready")
	for {
		switch proctest.Hear() {
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
