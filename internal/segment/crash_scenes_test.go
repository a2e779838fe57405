//go:build crashtest && linux

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A scene is an operation that a victim is killed in, at its first crash point, its
// second, and so on until it completes; and what is around it.
type scene struct {
	name    string
	prepare func(w *stage) // in the test, before the victim starts
	// in the victim, before it is armed; nil: it does not attach
	before func(s *Segment)
	act    func(s *Segment, path string)  // in the victim
	after  func(w *stage, completed bool) // in the test; nil: nothing special
	maybe  []string                       // objects that may be there or not
}

// crashConfig makes every scene reach every kind of reservation.
var crashConfig = Config{Size: 1 << 20, Objects: 1024, Processes: 8}

var victims = struct {
	objects []*Object
	blocks  []uint64
}{}

func justAttached(*Segment) {}

func create(n int64) func(*Segment, string) {
	return func(s *Segment, _ string) { mustNew(s, "x", n) }
}

func createUnnamed(s *Segment, _ string) { mustNew(s, "", 1000) }

func reclaimAll(s *Segment, _ string) {
	must(s.locked(func() error { return s.dir.Reclaim(math.MaxUint32) }))
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

	{name: "create object without a name", before: justAttached, act: createUnnamed, after: noneUnnamed},
	{name: "create object without a name in a gap", prepare: func(w *stage) { w.make("a:100", "gap:9000", "b:1") },
		before: justAttached, act: createUnnamed, after: noneUnnamed},
	{name: "let go of an object without a name", before: func(s *Segment) {
		victims.objects = append(victims.objects, mustNew(s, "", 1000))
	}, act: func(s *Segment, _ string) {
		_, err := victims.objects[0].Release()
		must(err)
		_, err = s.Check()
		must(err)
	}, after: noneUnnamed},
	{name: "reclaim an object without a name", prepare: func(w *stage) {
		w.make("a:100", "b:1")
		w.lone = mustNew(w.s, "", 1000)
		mustNew(w.s, "c", 1)
		_, err := w.lone.Release()
		must(err)
	}, before: justAttached, act: reclaimAll, after: func(w *stage, completed bool) {
		if o := w.wholeLone(); o != nil && completed {
			w.Error("an object without a name is there after its last handle")
		}
	}},
	{name: "reclaim beside an object without a name that the survivor has open", prepare: func(w *stage) {
		w.lone = mustNew(w.s, "", 1000)
		_, err := mustNew(w.s, "", 2000).Release()
		must(err)
	}, before: justAttached, act: reclaimAll, after: func(w *stage, _ bool) {
		if _, err := w.lone.Marshal(); err != nil {
			w.Error(err)
		}
		if w.wholeLone() == nil {
			w.Error("what the survivor has open is not found by its handle")
		}
	}},

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

// crowd takes all slots but one, the least used, which has belonged to a process that died with
// everything open.
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

// wholeOrAbsent: no process sees half a segment, and nothing else is left behind.
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

// bitsAreTrue: a process that does not have an object open does not count as its user for long.
func bitsAreTrue(w *stage, completed bool) {
	dropAll(w.s)
	again(w, w.s) // takes the slot of the dead, perhaps
	for i := range w.s.dir.UsedEntries() {
		if w.s.dir.Used(i) {
			w.Errorf("entry %d has a user", i)
		}
	}
}

// noneUnnamed: the objects without a name of a dead process are freed by the next that looks.
func noneUnnamed(w *stage, _ bool) {
	if r := checked(w, w.s); r.Unnamed != 0 {
		w.Errorf("%+v: an object without a name outlives its holder", r)
	}
}

// wholeLone is the stage's object without a name, as a handle of it finds it; nil when it is gone.
func (w *stage) wholeLone() *Object {
	o, err := w.s.openPlace(w.lone.place)
	must(err)
	if o != nil && slices.ContainsFunc(o.Payload, func(b byte) bool { return b != markOf("") }) {
		w.Error("an object without a name has changed")
	}
	return o
}
