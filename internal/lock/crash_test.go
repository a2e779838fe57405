//go:build crashtest && linux

package lock

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A scene is an operation on the lock in cell 0 that a victim is killed in, at its first crash
// point, its second, and so on until it completes; and what is around it. When the victim is about
// to act, the room looks like this: first a process died with the lock, if dead; then the victim
// did its before; then, if held, the test locked; then the survivors went to sleep on the lock,
// each a process.
type scene struct {
	name        string
	dead        bool
	before, act func(m *Mutex)
	held        bool // the test unlocks some milliseconds after the victim began
	late        bool // the survivors come only after the victim has waited for some milliseconds
	survivors   int
	unheard     bool // the request of a survivor to be handed the lock gets lost
}

// asleep is how long a process is given to fall asleep on a lock, and to ask for it.
const asleep = 4 * time.Millisecond

func lockUnlock(m *Mutex) {
	if err := m.Lock(background); errors.Is(err, ErrOwnerDied) {
		m.TryMarkConsistent()
	} else {
		locktest.Must(err)
	}
	m.Unlock()
}

// lockAnyway locks, whichever process has died.
func lockAnyway(m *Mutex) {
	if err := m.Lock(background); err != nil && !errors.Is(err, ErrOwnerDied) {
		locktest.Must(err)
	}
}

func nothing(*Mutex) {}

var errSorry = errors.New("sorry")

// repairWith are options with a repair that can be killed in the middle, and returns err.
func repairWith(err error) *LockOptions {
	return &LockOptions{Repair: func(*OwnerDiedError) error {
		crashpoint.Here("repairing")
		return err
	}}
}

var scenes = []scene{
	{name: "lock and unlock", before: nothing, act: lockUnlock, survivors: 1, late: true},
	{name: "unlock with sleepers", before: lockAnyway, act: (*Mutex).Unlock, survivors: 2, unheard: true},
	{name: "hand over", before: lockAnyway, act: (*Mutex).Unlock, survivors: 1},
	{name: "hand over before others", before: lockAnyway, act: (*Mutex).Unlock, survivors: 3},
	{name: "wait for the lock", before: nothing, act: lockUnlock, held: true, survivors: 1},
	{name: "wait for the lock behind others", before: nothing, act: lockUnlock, held: true, survivors: 3},
	{name: "be handed the lock", before: nothing, act: lockUnlock, held: true, late: true, survivors: 2},
	{name: "take over by Lock", dead: true, before: nothing, act: lockUnlock, survivors: 1, late: true},
	{name: "take over by TryLock", dead: true, before: nothing, act: func(m *Mutex) {
		if err := m.TryLock(); !errors.Is(err, ErrOwnerDied) {
			locktest.Must(err)
			panic("TryLock did not notice the death")
		}
		m.TryMarkConsistent()
		m.Unlock()
	}, survivors: 1, late: true},
	{name: "mark consistent", dead: true, before: lockAnyway, act: func(m *Mutex) {
		m.TryMarkConsistent()
		m.Unlock()
	}, survivors: 2},
	{name: "leave to repair", dead: true, before: lockAnyway, act: (*Mutex).Unlock, survivors: 2},
	{name: "repair", dead: true, before: nothing, act: func(m *Mutex) {
		locktest.Must(m.LockWith(background, repairWith(nil)))
		m.Unlock()
	}, survivors: 1, late: true},
	{name: "fail to repair", dead: true, before: nothing, act: func(m *Mutex) {
		if err := m.LockWith(background, repairWith(errSorry)); err != errSorry {
			panic(fmt.Sprint("repair: ", err))
		}
	}, survivors: 2, late: true},
	{name: "report", dead: true, before: nothing, act: func(m *Mutex) {
		for _, lock := range []func() error{
			func() error { return m.LockWith(background, &LockOptions{}) },
			func() error { return m.TryLockWith(&LockOptions{}) },
		} {
			if err := lock(); !errors.Is(err, ErrOwnerDied) && err != nil && err != ErrLocked {
				panic(fmt.Sprint("report: ", err))
			} else if err == nil { // a survivor has repaired it
				m.Unlock()
			}
			crashpoint.Here("reported")
		}
	}, survivors: 1, late: true},
	{name: "give up", before: nothing, act: func(m *Mutex) {
		//clock: the time-out is the subject
		ctx, cancel := context.WithTimeout(background, 2*asleep)
		defer cancel()
		if err := m.Lock(ctx); !errors.Is(err, context.DeadlineExceeded) {
			locktest.Must(err)
			m.Unlock() // it was unlocked in time
		}
	}, held: true, survivors: 2},
}

// The cells of a sweep, beside the lock in cell 0.
const (
	// the lock's word at the victim's last point, but no later than when it had let go of the lock
	wordCell   = 1
	victimCell = 2 // the victim's id
	deadCell   = 3 // the id of the process that died before
)

// victim: ROOM SCENE.
var victim = proctest.Register("victim", func(args []string) {
	r := enterRoom(args[0])
	i := slices.IndexFunc(scenes, func(s scene) bool { return s.name == args[1] })
	m := r.mutex(0)
	scenes[i].before(m)
	r.counter(victimCell).Store(int64(m.me))
	proctest.Say("ready")
	proctest.Hear()
	had, let := isHeldBy(m.r.word.Load(), m.me), false
	note := func(string) {
		w := m.r.word.Load()
		if !let {
			r.counter(wordCell).Store(int64(w))
		}
		had = had || isHeldBy(w, m.me)
		let = had && !isHeldBy(w, m.me)
	}
	proctest.Armed(func() { scenes[i].act(m) }, note)
	note("the end")
})

// survivor locks, says how that went, and unlocks.
var survivor = proctest.Register("survivor", func(args []string) {
	m := enterRoom(args[0]).mutex(0)
	proctest.Say("locking")
	began := time.Now()
	err := m.Lock(background)
	if err == nil || errors.Is(err, ErrOwnerDied) {
		if err != nil {
			m.TryMarkConsistent()
		}
		m.Unlock()
	}
	proctest.Say("%d %v", time.Since(began), err)
})

// A24 is the first point of several of the scenes: the holder dies between taking the lock and all
// that follows.
func TestCrashSweep(t *testing.T) {
	for _, s := range scenes {
		t.Run(strings.ReplaceAll(s.name, " ", "-"), func(t *testing.T) {
			proctest.Sweep(t, 1, func(p *proctest.Crash) { s.crash(t, p) })
		})
	}
}

// crash plays the scene with a victim that dies at its crash point.
func (s scene) crash(t *testing.T, p *proctest.Crash) {
	path := newRoom(t)
	r := visit(t, path)
	m := r.mutex(0)
	if s.dead {
		startHolder(t, path).Kill()
		r.counter(deadCell).Store(int64(m.Owner()))
	}
	v := p.Start(victim, path, s.name)
	v.Expect("ready")
	if s.held {
		locktest.Must(m.Lock(background))
	}
	var others []*proctest.Child
	if !s.late {
		others = s.startSurvivors(t, r)
	}
	v.Send("go")
	if s.late && s.held {
		proctest.Stagger(2 * asleep) // so that they mostly sleep; both must do
		others = s.startSurvivors(t, r)
	}
	if s.held {
		proctest.Stagger(2 * asleep) // so that they mostly sleep; both must do
		m.Unlock()
	}
	p.Wait()
	if others == nil {
		others = s.startSurvivors(t, r)
	}
	s.check(t, r, others)
}

func (s scene) startSurvivors(t *testing.T, r *room) (all []*proctest.Child) {
	for range s.survivors {
		c := proctest.Start(t, survivor, r.Path)
		c.Expect("locking")
		all = append(all, c)
	}
	proctest.Stagger(2 * asleep) // so that they mostly sleep; both must do
	if s.unheard {
		r.mutex(0).r.starving.Store(0)
	}
	return all
}

// check locks once more, as the last survivor, compares what all were told with the word at the
// victim's death, and the lock with a free one.
func (s scene) check(t *testing.T, r *room, survivors []*proctest.Child) {
	t.Helper()
	w := uint32(r.counter(1).Load())
	m := r.mutex(0)
	told := 0
	for _, c := range survivors {
		c.WaitOK()
		_, result, _ := strings.Cut(c.Line(), " ")
		switch {
		case strings.HasPrefix(result, ErrOwnerDied.Error()):
			told++
		case result != "<nil>":
			t.Errorf("a survivor got %s", result)
		}
	}
	switch err := m.TryLock(); {
	case errors.Is(err, ErrOwnerDied):
		told++
		m.TryMarkConsistent()
		m.Unlock()
	default:
		locktest.Must(err)
		m.Unlock()
	}
	wantTold := 0
	owner := int64(ownerOf(w))
	if w&handed == 0 && (w&inconsistent != 0 || owner == r.counter(victimCell).Load() || w != 0 && owner == r.counter(deadCell).Load()) {
		wantTold = 1
	}
	if told != wantTold {
		t.Errorf("word %#x: %d were told of a death, want %d", w, told, wantTold)
	}
	if g := m.r.starving.Load(); g != 0 && m.ownerDead(g) {
		// A request that came too late for any holder to see. It does no harm, and the next holder
		// that unlocks while a waiter may sleep clears it.
		m.r.bell.arm()
		if m.TryLock() == nil {
			m.Unlock()
		}
	}
	if w := m.r.word.Load(); w != 0 || m.r.starving.Load() != 0 {
		t.Errorf("in the end the lock is %#x, starving %#x", w, m.r.starving.Load())
	}
}
