//go:build linux

package segment

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

func TestCreateOpenRemove(t *testing.T) {
	path := freshPath(t)
	if _, err := Open(path); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open what is not there: %v", err)
	}
	s, err := Create(path, small)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := Create(path, small); !errors.Is(err, fs.ErrExist) {
		t.Errorf("create what is there: %v", err)
	}
	o, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer o.Close()
	if o.Identity() != s.Identity() || o.Me() == s.Me() || o.Size() != small.Size {
		t.Errorf("opened %v as %v with %d bytes, made %v as %v", o.Identity(), o.Me(), o.Size(), s.Identity(), s.Me())
	}
	if inherited := again(t, s); inherited.Path() != path || inherited.Named() {
		t.Errorf("through its file it is %q, named %v", inherited.Path(), inherited.Named())
	}
	if err := o.Unlink(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after Unlink: %v", err)
	}
	if err := s.Unlink(); !errors.Is(err, fs.ErrNotExist) || !errors.Is(err, ErrRemoved) {
		t.Errorf("second Unlink: %v", err)
	}
	if err := Remove(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Remove after Unlink: %v", err)
	}
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	if err := o.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if err := o.Unlink(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Unlink after Close: %v", err)
	}
}

// The name may lead to another segment by now: that one stays.
func TestUnlinkTakesOnlyItsOwnName(t *testing.T) {
	path := freshPath(t)
	first, _, err := OpenOrCreate(path, small)
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	other, created, err := OpenOrCreate(path, small)
	if err != nil || !created {
		t.Fatal(created, err)
	}
	defer other.Close()
	if err := first.Unlink(); !errors.Is(err, ErrRemoved) || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Unlink of a name that leads elsewhere: %v", err)
	}
	if _, err := os.Lstat(path); err != nil {
		t.Error(err)
	}
}

func TestRemoveByPath(t *testing.T) {
	dir := proctest.Dir(t)
	damaged := filepath.Join(dir, "damaged")
	if err := os.WriteFile(damaged, []byte("no segment"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Remove(damaged); err != nil {
		t.Error(err)
	}
	if err := Remove(dir); !errors.Is(err, ErrFormat) {
		t.Errorf("remove a directory: %v", err)
	}
	if err := os.Symlink("/dev/null", damaged); err != nil {
		t.Fatal(err)
	}
	if err := Remove(damaged); !errors.Is(err, ErrFormat) {
		t.Errorf("remove a symbolic link: %v", err)
	}
}

func TestAnonymous(t *testing.T) {
	s, err := Anonymous("test", small)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if s.Named() {
		t.Error("it has a name")
	}
	for _, size := range []int64{0, s.Size() - 1, s.Size() + 1} {
		if err := s.File().Truncate(size); !errors.Is(err, fs.ErrPermission) {
			t.Errorf("truncate to %d: %v", size, err)
		}
	}
	if err := s.Unlink(); err != nil {
		t.Error(err)
	}
	other := again(t, s)
	made(t, s, "a", 100).Payload[99] = 7
	if o := made(t, other, "a", 100); o.Payload[99] != 7 {
		t.Error("the other attachment does not see it")
	}
}

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

// A segment whose name comes and goes is always found or made, never half.
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
