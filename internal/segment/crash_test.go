//go:build crashtest && linux

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A scene is an operation that a victim is killed in, at its first crash point, its
// second, and so on until it completes; and what is around it.
type scene struct {
	name    string
	prepare func(w *stage)                 // in the test, before the victim starts
	before  func(s *Segment)               // in the victim, before it is armed; nil: it does not attach
	act     func(s *Segment, path string)  // in the victim
	after   func(w *stage, completed bool) // in the test; nil: nothing special
	maybe   []string                       // objects that may be there or not
}

// A stage is a segment that a scene plays in.
type stage struct {
	*testing.T
	s    *Segment // the survivor's attachment
	path string
}

// crashConfig makes every scene reach every kind of reservation.
var crashConfig = Config{Size: 1 << 20, Objects: 1024, Processes: 8}

// sized is an object of n bytes that are all the same, so that half of one is noticed.
func sized(name string, n int64) Spec {
	spec := rawSpec(name, n)
	spec.Init = func(b []byte) { fill(b, markOf(name)) }
	return spec
}

func markOf(name string) byte { return byte(hashOf(name)) | 1 }

func mustNew(s *Segment, name string, n int64) *Object {
	o, _, err := s.New(sized(name, n))
	must(err)
	return o
}

func mustAlloc(s *Segment, n int) uint64 {
	off, mem, err := s.Alloc(n)
	must(err)
	for _, b := range mem {
		if b != 0 {
			panic("a new block is not zero")
		}
	}
	fill(mem, 0xbb)
	return off
}

// make puts objects into the stage, in this order in its heap. Those whose names
// begin with "gap" are removed again.
func (w *stage) make(objects ...string) {
	for _, o := range objects {
		name, size, _ := strings.Cut(o, ":")
		n, err := strconv.ParseInt(size, 10, 64)
		must(err)
		mustNew(w.s, name, n)
	}
	for _, o := range objects {
		if name, _, _ := strings.Cut(o, ":"); strings.HasPrefix(name, "gap") {
			must(w.s.Remove(name))
		}
	}
	dropAll(w.s)
}

// dropAll makes an attachment forget its handles, as the garbage collector would.
func dropAll(s *Segment) {
	s.mu.Lock()
	for i := range s.objects.entries {
		s.leave(i)
	}
	s.objects.init()
	s.mu.Unlock()
	must(s.locked(func() error { return s.sweep(1 << 20) }))
}

var victims = struct {
	objects []*Object
	blocks  []uint64
}{}

func justAttached(*Segment) {}

func create(n int64) func(*Segment, string) {
	return func(s *Segment, _ string) { mustNew(s, "x", n) }
}

func remove(s *Segment, _ string) { must(s.Remove("x")) }

// hold lets the victim have objects open.
func hold(names ...string) func(*Segment) {
	return func(s *Segment) {
		for _, name := range names {
			o, err := s.Open(rawSpec(name, AnySize))
			must(err)
			victims.objects = append(victims.objects, o)
		}
	}
}

// allot gives the victim blocks.
func allot(sizes ...int) func(*Segment) {
	return func(s *Segment) {
		for _, n := range sizes {
			victims.blocks = append(victims.blocks, mustAlloc(s, n))
		}
	}
}

// freeBlocks frees blocks of the victim by their numbers.
func freeBlocks(order ...int) func(*Segment, string) {
	return func(s *Segment, _ string) {
		for _, i := range order {
			must(s.Free(victims.blocks[i]))
		}
	}
}

func newPath(path string) string { return path + ".new" }

var scenes = []scene{
	{name: "create segment", act: func(_ *Segment, path string) {
		_, err := Create(newPath(path), crashConfig)
		must(err)
	}, after: wholeOrAbsent},
	{name: "open or create, absent", act: func(_ *Segment, path string) {
		_, created, err := OpenOrCreate(newPath(path), crashConfig)
		must(err)
		if !created {
			panic("not created")
		}
	}, after: wholeOrAbsent},
	{name: "open or create, present", act: func(_ *Segment, path string) {
		_, created, err := OpenOrCreate(path, crashConfig)
		must(err)
		if created {
			panic("created")
		}
	}},
	{name: "attach", prepare: func(w *stage) { w.make("a:100", "b:5000") }, act: func(_ *Segment, path string) { mustOpen(path) }},
	{name: "attach after a crash", prepare: func(w *stage) { w.make("a:100"); w.crowd() },
		act: func(_ *Segment, path string) { mustOpen(path) }, after: bitsAreTrue},
	{name: "attach after a boot", prepare: func(w *stage) { w.make("a:100"); headerIn(w.s.mem).setBoot([2]uint64{3, 4}) },
		act: func(_ *Segment, path string) { mustOpen(path) }, after: func(w *stage, _ bool) {
			s := mustOpen(w.path) // the survivor has lost its slot by the boot
			defer s.Close()
			if headerIn(s.mem).bootID() != bootID() {
				w.Error("the table was not cleared")
			}
			w.s.Close()
			w.s = mustOpen(w.path)
		}},
	{name: "detach", prepare: func(w *stage) { w.make("a:100", "b:5000") }, before: hold("a", "b"),
		act: func(s *Segment, _ string) { must(s.Close()) }, after: bitsAreTrue},
	{name: "detach with a removed object", prepare: func(w *stage) { w.make("a:100") }, before: func(s *Segment) {
		hold("a")(s)
		must(s.Remove("a"))
	}, act: func(s *Segment, _ string) { must(s.Close()) }, after: bitsAreTrue, maybe: []string{"a"}},

	{name: "create object", before: justAttached, act: create(1000)},
	{name: "create large object", before: justAttached, act: create(600 << 10)}, // reserves heap
	{name: "create object over used memory", prepare: func(w *stage) { w.make("gap:30000") }, before: justAttached, act: create(20000)},
	{name: "create object in a gap that fits", prepare: func(w *stage) { w.make("a:100", "gap:1000", "b:1") }, before: justAttached, act: create(1002)},
	{name: "create object in a larger gap", prepare: func(w *stage) { w.make("a:100", "gap:9000", "b:1") }, before: justAttached, act: create(1000)},
	{name: "create object with a new page of entries", prepare: func(w *stage) {
		for i := range 512 {
			mustNew(w.s, fmt.Sprint("e", i), 1)
		}
		dropAll(w.s)
	}, before: justAttached, act: create(10)},
	{name: "create object and recycle", prepare: func(w *stage) { w.make("gap1:100", "a:500") }, before: func(s *Segment) {
		mustNew(s, "g1", 700)
		mustNew(s, "g2", 300)
		must(s.Remove("g1"))
		must(s.Remove("g2"))
		s.mu.Lock()
		for i := range s.objects.entries {
			s.leave(i)
		}
		s.mu.Unlock()
	}, act: create(400)},
	{name: "open object", prepare: func(w *stage) { w.make("x:100") }, before: justAttached,
		act: func(s *Segment, _ string) { hold("x")(s) }, after: bitsAreTrue},

	{name: "remove last object", prepare: func(w *stage) { w.make("a:100", "x:1000") }, before: justAttached, act: remove},
	{name: "remove only object", prepare: func(w *stage) { w.make("x:1000") }, before: justAttached, act: remove},
	{name: "remove object in the middle", prepare: func(w *stage) { w.make("a:100", "x:1000", "b:10") }, before: justAttached, act: remove},
	{name: "remove object between gaps", prepare: func(w *stage) { w.make("a:100", "gap1:500", "x:1000", "gap2:300", "b:10") }, before: justAttached, act: remove},
	{name: "remove object before the end", prepare: func(w *stage) { w.make("a:100", "gap1:500", "x:1000") }, before: justAttached, act: remove},
	{name: "remove object that the victim has open", prepare: func(w *stage) { w.make("a:100", "x:1000") }, before: hold("x"), act: remove},
	{name: "remove object that the survivor has open", prepare: func(w *stage) {
		w.make("a:100", "x:1000", "b:100")
		mustNew(w.s, "x", 1000)
	}, before: justAttached, act: remove, after: func(w *stage, _ bool) {
		w.s.mu.Lock()
		defer w.s.mu.Unlock()
		for p, o := range w.s.objects.open {
			if o := o.Value(); o != nil && o.Name == "x" && slices.ContainsFunc(o.Payload, func(b byte) bool { return b != markOf("x") }) {
				w.Errorf("what the survivor has open at %v was changed", p)
			}
		}
	}},
	{name: "remove and recycle others", prepare: func(w *stage) { w.make("a:100", "x:1000", "y:5000", "z:10", "b:1") }, before: func(s *Segment) {
		hold("y", "z")(s)
		must(s.Remove("y"))
		must(s.Remove("z"))
		s.mu.Lock()
		s.leave(victims.objects[0].index)
		s.mu.Unlock()
	}, act: remove, maybe: []string{"y", "z"}},

	{name: "allocate", before: justAttached, act: func(s *Segment, _ string) { allot(0, 1, 500, 4000, 300<<10)(s) }},
	{name: "allocate in gaps", prepare: func(w *stage) { w.make("a:1", "gap1:1000", "b:1", "gap2:20000", "c:1") }, before: justAttached,
		act: func(s *Segment, _ string) { allot(1002, 5000, 5000, 5000)(s) }},
	{name: "free last", before: allot(100, 2000), act: freeBlocks(1, 0)},
	{name: "free first", before: allot(100, 2000, 300), act: freeBlocks(0, 1, 2)},
	{name: "free and join both sides", before: allot(100, 200, 3000, 40, 50), act: freeBlocks(1, 3, 2)},
	{name: "free and join before", before: allot(100, 2000, 300), act: freeBlocks(0, 1)},
	{name: "give", before: func(s *Segment) { allot(100)(s) }, act: func(s *Segment, _ string) { must(s.Give(victims.blocks[0], s.Me(), 0)) }},
	{name: "reclaim", prepare: func(w *stage) { w.make("a:100"); w.orphans() }, before: justAttached,
		act: func(s *Segment, _ string) { must(s.Reclaim()) }},
	{name: "make room", prepare: func(w *stage) { w.make("a:100"); w.orphans() }, before: justAttached, act: create(700 << 10)},
	{name: "unlink", before: justAttached, act: func(s *Segment, _ string) { must(s.Unlink()) }},
	{name: "recover", before: justAttached, act: func(s *Segment, _ string) { must(s.Reclaim()) }},
	{name: "check", prepare: func(w *stage) { w.make("a:100", "b:100", "gap:300", "c:5") }, before: justAttached,
		act: func(s *Segment, _ string) { _, err := s.Check(); must(err) }},
}

// crowd takes all slots but one, the least used, which has belonged to a process that died with everything open.
func (w *stage) crowd() {
	for range crashConfig.Processes - 2 {
		again(w, w.s)
	}
	c := proctest.Start(w, roleUser, w.path)
	c.Expect("open")
	c.Kill()
}

// orphans fills the heap with a few blocks of a process that dies.
func (w *stage) orphans() {
	c := proctest.Start(w, roleBlocks, w.path, "140000")
	c.Expect("full")
	c.Kill()
}

// wholeOrAbsent: nobody sees half a segment, and nothing else is left behind.
func wholeOrAbsent(w *stage, completed bool) {
	files, err := os.ReadDir(filepath.Dir(w.path))
	must(err)
	s, err := Open(newPath(w.path))
	switch {
	case err == nil:
		checked(w, s)
		mustNew(s, "a", 10)
		s.Close()
		if len(files) != 2 {
			w.Errorf("files: %v", files)
		}
	case !errors.Is(err, fs.ErrNotExist) || completed || len(files) != 1:
		w.Errorf("completed %v, files %v: %v", completed, files, err)
	}
}

// bitsAreTrue: who does not have an object open does not count as its user for long.
func bitsAreTrue(w *stage, completed bool) {
	dropAll(w.s)
	again(w, w.s) // takes the slot of the dead, perhaps
	for i := range w.s.usedEntries() {
		if w.s.used(i) {
			w.Errorf("entry %d has a user", i)
		}
	}
}

// victim: PATH SCENE POINT.
var roleVictim = proctest.Register("victim", func(args []string) {
	i := slices.IndexFunc(scenes, func(c scene) bool { return c.name == args[1] })
	n, err := strconv.Atoi(args[2])
	must(err)
	var s *Segment
	if scenes[i].before != nil {
		s = mustOpen(args[0])
		scenes[i].before(s)
	}
	proctest.Say("ready")
	proctest.Hear()
	crashpoint.Trace(func(name string) { lastPoint(args[0], name) })
	crashpoint.Arm(n)
	scenes[i].act(s, args[0])
	crashpoint.Disarm()
})

// lastPoint notes where the victim is, beside the segment's directory.
func lastPoint(path, name string) {
	must(os.WriteFile(filepath.Dir(path)+".point", []byte(name), 0o600))
}

// point is where the last victim died.
func (w *stage) point() string {
	point, err := os.ReadFile(filepath.Dir(w.path) + ".point")
	if err != nil {
		return err.Error()
	}
	return string(point)
}

func TestCrashSweep(t *testing.T) {
	for _, c := range scenes {
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			n := 1
			for ; !c.crash(t, n); n++ {
			}
			t.Logf("%d crash points", n-1)
			if n == 1 {
				t.Error("no crash point was passed")
			}
		})
	}
}

// newStage sets the scene.
func (c scene) newStage(t *testing.T) *stage {
	w := &stage{T: t, path: freshPath(t)}
	t.Cleanup(func() { os.Remove(filepath.Dir(w.path) + ".point") })
	var err error
	if w.s, err = Create(w.path, crashConfig); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.s.Close() })
	if c.prepare != nil {
		c.prepare(w)
	}
	return w
}

// crash plays the scene with a victim that dies at its n-th crash point, and reports whether it completed instead.
func (c scene) crash(t *testing.T, n int) (completed bool) {
	w := c.newStage(t)
	names := w.names()
	stop := w.lookUp(names, c)
	completed = w.kill(c.name, n)
	began := time.Now()
	w.goesOn()
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("point %d: the survivor needed %v", n, took)
	}
	stop()
	if c.after != nil {
		c.after(w, completed)
	}
	w.intact(c, names, completed)
	w.emptied()
	if t.Failed() {
		t.Fatalf("point %d, %s", n, w.point())
	}
	return completed
}

// kill runs the victim up to its n-th point.
func (w *stage) kill(scene string, n int) (completed bool) {
	v := proctest.Start(w, roleVictim, w.path, scene, strconv.Itoa(n))
	v.Expect("ready")
	v.Send("go")
	state := v.Wait()
	if completed = state.Success(); !completed && state.String() != "signal: killed" {
		w.Fatalf("the victim: %v\n%s", state, v.Stderr())
	}
	return completed
}

// TestCrashWhileRecovering kills, too, whoever mends what the first victim has left, at each of its points. With
// SHMKIT_LONG=1 it does so for every scene and point, else for some.
func TestCrashWhileRecovering(t *testing.T) {
	long := os.Getenv("SHMKIT_LONG") != ""
	some := []string{"remove object between gaps", "create object and recycle", "free and join both sides"}
	for _, c := range scenes {
		if !long && !slices.Contains(some, c.name) {
			continue
		}
		t.Run(strings.ReplaceAll(c.name, " ", "-"), func(t *testing.T) {
			kills := 0
			for n := 1; ; n++ {
				if !long && n%12 != 0 && n > 1 {
					n += 11 - n%12
					continue
				}
				w := c.newStage(t)
				names := w.names()
				if w.kill(c.name, n) {
					break
				}
				if left, err := os.ReadFile(w.path); err == nil && w.s.lock.Owner() != 0 {
					kills += recoverAgain(t, c, left, names)
				}
			}
			t.Logf("%d kills", kills)
			if kills == 0 && c.before != nil && !slices.Contains(unlocked, c.name) {
				t.Error("nothing was recovered")
			}
		})
	}
}

// unlocked are the scenes that never hold the lock.
var unlocked = []string{"open object", "give", "unlink", "detach", "detach with a removed object"}

// recoverAgain lets processes die at each point of recovering a segment that looks like left.
func recoverAgain(t *testing.T, c scene, left []byte, names map[string]int) (kills int) {
	for n := 1; ; n++ {
		w := &stage{T: t, path: written(t, left)}
		var err error
		if w.s, err = Open(w.path); err != nil {
			t.Fatal(err)
		}
		completed := w.kill("recover", n)
		w.goesOn()
		w.intact(scene{name: "recover", maybe: c.maybe}, names, false)
		w.emptied()
		if t.Failed() {
			t.Fatalf("point %d of recovering, %s", n, w.point())
		}
		w.s.Close()
		os.Remove(filepath.Dir(w.path) + ".point")
		os.Remove(w.path)
		if completed {
			return kills
		}
		kills++
	}
}

func (w *stage) names() map[string]int {
	names := map[string]int{}
	w.s.Names(func(name string, _ Kind) bool {
		o, err := w.s.view(w.at(name), 0)
		must(err)
		names[name] = len(o.Payload)
		return true
	})
	return names
}

func (w *stage) at(name string) uint32 {
	i, _, err := w.s.find(name)
	must(err)
	return i
}

// lookUp looks names up all the time, until the function that it returns is called:
// those that the scene does not touch must always be found, and never half of one.
func (w *stage) lookUp(names map[string]int, c scene) (stop func()) {
	quit, done := make(chan bool), make(chan bool)
	go func() {
		defer close(done)
		for {
			select {
			case <-quit:
				return
			default:
			}
			for name, n := range names {
				if name == "x" || slices.Contains(c.maybe, name) {
					continue
				}
				i, state, err := w.s.find(name)
				if err != nil {
					w.Errorf("looking up %q: %v", name, err)
					return
				}
				if o, err := w.s.view(i, state>>serialShift); err != nil || len(o.Payload) != n || o.Name != name {
					w.Errorf("looking up %q: %v, %v", name, o, err)
					return
				}
			}
			time.Sleep(50 * time.Microsecond)
		}
	}()
	return func() { close(quit); <-done }
}

// goesOn: the survivor's operations succeed.
func (w *stage) goesOn() {
	if _, err := os.Lstat(w.path); err != nil {
		w.s.named = false // the scene is about that
	}
	must(w.s.Reclaim())
	mustNew(w.s, "probe", 3000)
	must(w.s.Free(mustAlloc(w.s, 2000)))
	must(w.s.Remove("probe"))
	s, err := OpenFile(w.s.File())
	must(err)
	if _, err := s.Check(); err != nil {
		w.Error(err)
	}
	must(s.Close())
}

// intact: no name is lost or doubled, and no object is half.
func (w *stage) intact(c scene, before map[string]int, completed bool) {
	now := w.names()
	for name, n := range now {
		o, err := w.s.Open(rawSpec(name, AnySize))
		must(err)
		if before[name] != n && name != "x" || slices.ContainsFunc(o.Payload, func(b byte) bool { return b != markOf(name) }) {
			w.Errorf("object %q has changed", name)
		}
	}
	for name := range before {
		if _, ok := now[name]; !ok && name != "x" && !slices.Contains(c.maybe, name) {
			w.Errorf("object %q is gone", name)
		}
	}
	_, was := before["x"]
	if _, is := now["x"]; completed && strings.HasPrefix(c.name, "remove") == is && (was || is) && c.name != "open object" {
		w.Errorf("completed, and x is there: %v", is)
	}
}

// emptied: when all is removed the heap is as it was at first. No byte leaks.
func (w *stage) emptied() {
	for name := range w.names() {
		must(w.s.Remove(name))
	}
	dropAll(w.s)
	must(w.s.Reclaim())
	checked(w, w.s)
	if h := headerIn(w.s.mem); h.brk.Load() != w.s.geo.heap || h.freeBytes != 0 {
		w.Errorf("%d bytes of the heap are lost", h.brk.Load()-w.s.geo.heap)
	}
}
