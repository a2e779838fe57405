//go:build crashtest && linux

package shmsync_test

import (
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A unitScene is an operation on a semaphore of four units that a victim is killed in, at each
// crash point in turn, and what is around it. Each survivor wants two units.
type unitScene struct {
	name        string
	before, act func(s *shmsync.Semaphore) error
	dead        bool  // a process died with all units, which only makes sense with undo
	held        int64 // the test has so many units while the victim acts
	lets        bool  // and releases them some milliseconds after
	survivors   int   // sleep for units when the victim begins; one comes later anyway
	late        bool  // they come some milliseconds after the victim began
}

const (
	allUnits  = 4
	victimHas = 2
	// a process is given so long to fall asleep, and to take the turn
	unitsSleep = 5 * time.Millisecond
)

func acquireUnits(s *shmsync.Semaphore) error { return s.Acquire(background, victimHas) }
func releaseUnits(s *shmsync.Semaphore) error { return s.Release(victimHas) }
func noUnits(*shmsync.Semaphore) error        { return nil }
func acquireAndRelease(s *shmsync.Semaphore) error {
	return errors.Join(acquireUnits(s), releaseUnits(s))
}

func tryAndRelease(s *shmsync.Semaphore) error {
	return errors.Join(s.TryAcquire(victimHas), releaseUnits(s))
}

func giveUp(s *shmsync.Semaphore) error {
	//clock: the time-out is the subject
	if err := acquireWithin(s, victimHas, 2*unitsSleep); verdict(err) == "deadline" {
		return nil
	}
	return releaseUnits(s)
}

var unitScenes = []unitScene{
	{name: "acquire and release", before: noUnits, act: acquireAndRelease},
	{name: "try and release", before: noUnits, act: tryAndRelease},
	{name: "release to sleepers", before: acquireUnits, act: releaseUnits, held: 2, survivors: 2},
	{name: "wait", before: noUnits, act: acquireAndRelease, held: 4, lets: true, survivors: 1},
	{name: "wait before others", before: noUnits, act: acquireAndRelease, held: 4, lets: true, survivors: 2, late: true},
	{name: "give up", before: noUnits, act: giveUp, held: 3, survivors: 1, late: true, lets: true},
	{name: "acquire what the dead had", before: noUnits, act: acquireAndRelease, dead: true},
	{name: "try what the dead had", before: noUnits, act: tryAndRelease, dead: true},
	{name: "look what the dead had", before: noUnits, act: func(s *shmsync.Semaphore) error {
		if n := s.Available(); n != allUnits {
			return fmt.Errorf("%d units are available", n)
		}
		return nil
	}, dead: true},
}

// semaphore-crasher: SEGMENT SCENE.
var semaphoreCrasher = proctest.Register("semaphore-crasher", func(args []string) {
	s := openUnits(args[0])
	scene, err := strconv.Atoi(args[1])
	must(err)
	must(unitScenes[scene].before(s))
	proctest.Say("ready")
	proctest.Hear()
	proctest.Armed(func() { must(unitScenes[scene].act(s)) })
})

// semaphore-survivor: SEGMENT. It acquires, releases, and says how that went.
var semaphoreSurvivor = proctest.Register("semaphore-survivor", func(args []string) {
	s := openUnits(args[0])
	proctest.Say("waiting")
	err := acquireWithin(s, victimHas, soon)
	if err == nil {
		err = s.Release(victimHas)
	}
	proctest.Say("%s", unitsVerdict(err))
})

func openUnits(path string) *shmsync.Semaphore {
	seg, err := shm.Open(path)
	must(err)
	s, err := shmsync.OpenSemaphore(seg, "s", shmsync.SemaphoreOptions{})
	must(err)
	return s
}

// Wherever a process dies while it acquires, waits, releases or counts what the dead had, the
// others get the units that are there in time, and with undo all of them.
func TestSemaphoreCrashSweep(t *testing.T) {
	for i, scene := range unitScenes {
		for _, undo := range []bool{false, true} {
			if scene.dead && !undo {
				continue
			}
			t.Run(fmt.Sprintf("%s/undo=%v", scene.name, undo), func(t *testing.T) {
				proctest.Sweep(t, 1, func(c *proctest.Crash) { scene.crash(t, c, i, undo) })
			})
		}
	}
}

func (x unitScene) crash(t *testing.T, c *proctest.Crash, scene int, undo bool) {
	seg := newSegment(t)
	s := newSemaphore(t, seg, "s", allUnits, shmsync.SemaphoreOptions{Undo: undo})
	if x.dead {
		dead := startSemaphoreAgent(t, seg, "s")
		told(t, dead, "acquire 4", "ok")
		dead.Kill()
	}
	v := c.Start(semaphoreCrasher, seg.Path(), fmt.Sprint(scene))
	v.Expect("ready")
	if x.held > 0 {
		wantErr(t, "acquire", acquireWithin(s, x.held, soon), nil)
	}
	var others []*proctest.Child
	if !x.late {
		others = surviveUnits(t, seg, x.survivors)
	}
	v.Send("go")
	if x.late {
		proctest.Stagger(2 * unitsSleep) // so that they mostly sleep; both must do
		others = surviveUnits(t, seg, x.survivors)
	}
	if x.lets {
		proctest.Stagger(2 * unitsSleep) // so that they mostly sleep; both must do
		wantErr(t, "release", s.Release(x.held), nil)
	}
	completed := c.Wait()
	for _, survivor := range append(others, surviveUnits(t, seg, 1)...) {
		if line := survivor.Line(); line != "ok" {
			t.Errorf("a survivor: %s", line)
		}
		survivor.WaitOK()
	}
	if x.held > 0 && !x.lets {
		wantErr(t, "release", s.Release(x.held), nil)
	}
	rest := s.Available()
	if rest != allUnits && (undo || completed || rest != allUnits-victimHas) {
		t.Errorf("%d units are available in the end", rest)
	}
	wantErr(t, "acquire all that are there", s.TryAcquire(rest), nil)
	wantErr(t, "release them", s.Release(rest), nil)
}

// surviveUnits starts so many survivors and lets them fall asleep.
func surviveUnits(t *testing.T, seg *shm.Segment, k int) (all []*proctest.Child) {
	for range k {
		c := proctest.Start(t, semaphoreSurvivor, seg.Path())
		c.Expect("waiting")
		all = append(all, c)
	}
	proctest.Stagger(2 * unitsSleep) // so that they mostly sleep; both must do
	return all
}
