//go:build linux

package segment

import (
	"errors"
	"io/fs"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

var roleCreate = proctest.Register("create", func(args []string) {
	proctest.Say("ready")
	proctest.Hear()
	s, created, err := OpenOrCreate(args[0], small)
	must(err)
	_, won, err := s.New(Spec{Name: "one", Kind: KindRawValue, Type: "<i", Size: 4, Init: func(b []byte) { b[0] = 1 }})
	must(err)
	proctest.Say("%v %v %v", s.Identity(), created, won)
	proctest.Hear()
})

// Of processes that create at once exactly one does, and all get the same; so with an object.
func TestRacingCreators(t *testing.T) {
	const racers = 8
	rounds := 4
	if testing.Short() {
		rounds = 1
	}
	for range rounds {
		path := freshPath(t)
		children := make([]*proctest.Child, racers)
		for i := range children {
			children[i] = proctest.Start(t, roleCreate, path)
			children[i].Expect("ready")
		}
		for _, c := range children {
			c.Send("go")
		}
		created, won, ids := 0, 0, map[string]bool{}
		for _, c := range children {
			var id string
			var made, first bool
			scan(t, c.Line(), &id, &made, &first)
			ids[id] = true
			if made {
				created++
			}
			if first {
				won++
			}
		}
		if created != 1 || won != 1 || len(ids) != 1 {
			t.Errorf("%d made the segment, %d the object, %d segments", created, won, len(ids))
		}
		for _, c := range children {
			c.Send("end")
			c.WaitOK()
		}
	}
}

// A segment with a name that comes and goes is always found or made, never half.
func TestCreateAgainstRemove(t *testing.T) {
	path := freshPath(t)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 50 {
				s, _, err := OpenOrCreate(path, small)
				if err != nil {
					t.Error(err)
					return
				}
				if _, _, err := s.New(rawSpec("a", 10)); err != nil && !errors.Is(err, ErrRemoved) {
					t.Error(err)
				}
				if err := s.Unlink(); err != nil && !errors.Is(err, ErrRemoved) {
					t.Error(err)
				}
				s.Close()
			}
		})
	}
	wg.Wait()
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("it is still there: %v", err)
	}
}

// Two removers, and a creator in between: what was made anew stays.
func TestRemoversSpareTheSuccessor(t *testing.T) {
	path := freshPath(t)
	for i := range 200 {
		s, err := Create(path, small)
		if err != nil {
			t.Fatal(err)
		}
		var wg sync.WaitGroup
		removed := make(chan int, 2)
		for n := range 2 {
			r := again(t, s)
			r.path, r.named = path, true
			wg.Go(func() {
				if r.Unlink() == nil {
					removed <- n
				}
			})
		}
		wg.Wait()
		s.Close()
		if len(removed) != 1 {
			t.Fatalf("round %d: removed %d times", i, len(removed))
		}
	}
}

var roleName = proctest.Register("name", func(args []string) {
	s := mustOpen(args[0])
	proctest.Say("ready")
	proctest.Hear()
	won := 0
	for i := range 200 {
		o, created, err := s.New(Spec{
			Name: strconv.Itoa(i), Kind: KindRawValue, Type: "<Q", Size: 8, Init: func(b []byte) { b[7] = byte(i) },
		})
		must(err)
		if o.Payload[7] != byte(i) {
			panic("half an object")
		}
		if created {
			won++
		}
	}
	proctest.Say("%d", won)
	proctest.Hear()
})

// Processes and goroutines that want the same names get the same objects, each made once.
func TestRacingNames(t *testing.T) {
	s := fresh(t, Config{Size: 1 << 20, Objects: 256, Processes: 16})
	var children []*proctest.Child
	for range 4 {
		c := proctest.Start(t, roleName, s.Path())
		c.Expect("ready")
		children = append(children, c)
	}
	for _, c := range children {
		c.Send("go")
	}
	var wg sync.WaitGroup
	var mu sync.Mutex
	won, views := 0, map[string]*Object{}
	for range 8 {
		wg.Go(func() {
			for i := range 200 {
				name := strconv.Itoa(i)
				o, created, err := s.New(Spec{Name: name, Kind: KindRawValue, Type: "<Q", Size: 8, Init: func(b []byte) { b[7] = byte(i) }})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				if created {
					won++
				}
				if views[name] != nil && views[name] != o {
					t.Errorf("two views of %s", name)
				}
				views[name] = o
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	for _, c := range children {
		n, err := strconv.Atoi(c.Line())
		if err != nil {
			t.Fatal(err)
		}
		won += n
	}
	if won != 200 {
		t.Errorf("200 objects were made %d times", won)
	}
	if r := checked(t, s); r.Objects != 200 {
		t.Errorf("there are %d", r.Objects)
	}
	for _, c := range children {
		c.Send("end")
		c.WaitOK()
	}
}
