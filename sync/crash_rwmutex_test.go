//go:build crashtest && linux

package shmsync_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// What the victims of the sweep do. Inside is 1 while they are sure to be inside as a writer, 2
// once they have repaired.
var rwActs = map[string]func(m *shmsync.RWMutex, inside *shm.Uint32){
	"Lock": func(m *shmsync.RWMutex, inside *shm.Uint32) {
		if err := m.Lock(background); errors.Is(err, shmsync.ErrOwnerDied) {
			must(m.LockRepair(background, func(*shmsync.OwnerDiedError) error { inside.Store(1); return nil }))
		} else {
			must(err)
		}
		inside.Store(1)
		inside.Store(2)
		m.Unlock()
	},
	"TryLock": func(m *shmsync.RWMutex, inside *shm.Uint32) {
		if err := m.TryLock(); err != nil {
			return
		}
		inside.Store(1)
		inside.Store(2)
		m.Unlock()
	},
	"RLock": func(m *shmsync.RWMutex, _ *shm.Uint32) {
		if err := m.RLock(background); err == nil {
			m.RUnlock()
		}
	},
	"TryRLock": func(m *shmsync.RWMutex, _ *shm.Uint32) {
		if err := m.TryRLock(); err == nil {
			m.RUnlock()
		}
	},
	"give up Lock":  func(m *shmsync.RWMutex, _ *shm.Uint32) { rwBriefly(m.Lock, m.Unlock) },
	"give up RLock": func(m *shmsync.RWMutex, _ *shm.Uint32) { rwBriefly(m.RLock, m.RUnlock) },
	"fail to repair": func(m *shmsync.RWMutex, _ *shm.Uint32) {
		if m.LockRepair(background, func(*shmsync.OwnerDiedError) error { return errOnce }) == nil {
			m.Unlock()
		}
	},
}

func rwBriefly(lock func(context.Context) error, unlock func()) {
	//clock: the time-out is the subject
	ctx, cancel := context.WithTimeout(background, 5*time.Millisecond)
	defer cancel()
	if lock(ctx) == nil {
		unlock()
	}
}

// An rwScene is the situation that a victim acts in: what the test holds for some milliseconds
// after the victim began, what a process held that died before, and whether the victim has a Repair
// function.
type rwScene struct {
	name         string
	held, before string // "": nothing; an order to an agent
	repair       bool
}

var rwScenes = []rwScene{
	{name: "free"},
	{name: "read-locked", held: "rlock"},
	{name: "write-locked", held: "lock"},
	{name: "left by a reader", before: "rlock"},
	{name: "left by a writer", before: "lock"},
	{name: "left by a writer, with repair", before: "lock", repair: true},
}

// rwCrasher: SEGMENT ACT REPAIR.
var rwCrasher = proctest.Register("rwmutex-crasher", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	inside, err := shm.NewUint32(seg, "inside", 0)
	must(err)
	var o shmsync.RWMutexOptions
	if args[2] == "true" {
		o.Repair = func() error { inside.Store(2); return nil }
	}
	proctest.Armed(func() {
		m, err := shmsync.NewRWMutex(seg, "a", o)
		must(err)
		rwActs[args[1]](m, inside)
	})
	inside.Store(3)
})

// rwSurvivor: SEGMENT ORDER. It does what it is told, see rwAgent, undoes it at once, and says what
// it was told.
var rwSurvivor = proctest.Register("rwmutex-survivor", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	m, err := shmsync.NewRWMutex(seg, "a", shmsync.RWMutexOptions{})
	must(err)
	proctest.Say("ready")
	err = rwObey(m, args[1])
	told := errors.Is(err, shmsync.ErrOwnerDied)
	switch {
	case args[1] == "timed" && told:
		mustLock(m)
		m.Unlock()
	case args[1] == "timed" && err == nil:
		m.Unlock()
	case err == nil:
		m.RUnlock()
	}
	proctest.Say("%s", verdict(err))
})

// A process is killed at the first point of every operation, at its second, and so on, in each
// situation, with a reader and a writer of other processes asleep on the lock. They go on in time,
// and are told of a death exactly if it was a writer's that was inside.
func TestRWMutexCrashSweep(t *testing.T) {
	points := 0
	for act := range rwActs {
		for _, scene := range rwScenes {
			t.Run(act+"/"+scene.name, func(t *testing.T) {
				proctest.Sweep(t, 0, func(c *proctest.Crash) {
					if !rwCrash(t, c, act, scene) {
						points++
					}
				})
			})
		}
	}
	t.Logf("%d crash points", points)
	if points < 100 {
		t.Error("there are too few of them")
	}
}

func rwCrash(t *testing.T, c *proctest.Crash, act string, s rwScene) (completed bool) {
	seg := newSegment(t)
	m := newRWMutexIn(t, seg, shmsync.RWMutexOptions{})
	inside, err := shm.NewUint32(seg, "inside", 0)
	must(err)
	if s.before != "" {
		rwAgentThat(t, seg, s.before, "ok").Kill()
	}
	if s.held != "" {
		must(rwObey(m, s.held))
	}
	c.Start(rwCrasher, seg.Path(), act, strconv.FormatBool(s.repair))
	var others []*proctest.Child
	if s.held != "" {
		for _, order := range []string{"timed-rlock", "timed"} {
			other := proctest.Start(t, rwSurvivor, seg.Path(), order)
			other.Expect("ready")
			others = append(others, other)
		}
		proctest.Stagger(6 * time.Millisecond) // so that the victim mostly waits; both must do
		must(rwObey(m, map[string]string{"lock": "unlock", "rlock": "runlock"}[s.held]))
	}
	completed = c.Wait()
	in := inside.Load()
	told := false
	for _, other := range others {
		line := other.Line()
		other.WaitOK()
		if line != "ok" && line != "owner died" {
			t.Fatalf("crash point %v: a survivor got %s", c, line)
		}
		told = told || line == "owner died"
	}
	rerr := rwWithin(soon, m.RLock)
	if rerr == nil {
		m.RUnlock()
	} else if !errors.Is(rerr, shmsync.ErrOwnerDied) {
		t.Fatalf("crash point %v: RLock: %v", c, rerr)
	}
	werr := rwWithin(soon, m.Lock)
	if errors.Is(werr, shmsync.ErrOwnerDied) {
		lockRepaired(t, m)
	} else if werr != nil {
		t.Fatalf("crash point %v: Lock: %v", c, werr)
	}
	m.Unlock()
	told = told || werr != nil
	// A reader is told if and only if a writer is.
	if (rerr == nil) != (werr == nil) {
		t.Errorf("RLock: %v, Lock: %v", rerr, werr)
	}
	if (in == 1 || in == 0 && s.before == "lock") && !told {
		t.Error("no process was told of a death")
	}
	if told && s.before != "lock" && (completed || act == "RLock" || act == "TryRLock" || act == "give up RLock") {
		t.Error("a process was told of a death")
	}
	wantErr(t, "in the end", m.TryLock(), nil)
	m.Unlock()
	wantErr(t, "in the end", m.TryRLock(), nil)
	m.RUnlock()
	return completed
}
