//go:build linux

package segment

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/lock"
)

func TestNewFindsOrMakes(t *testing.T) {
	s := fresh(t, small)
	inits := 0
	spec := Spec{Name: "a", Kind: KindValue, Type: "<i", Size: 100, Init: func(b []byte) { inits++; b[99] = 7 }}
	if _, err := s.Open(spec); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("open before it is made: %v", err)
	}
	o, created, err := s.New(spec)
	if err != nil || !created || inits != 1 {
		t.Fatal(created, inits, err)
	}
	if o.Name != "a" || o.Kind != KindValue || o.Type != "<i" || len(o.Payload) != 100 || o.Payload[99] != 7 || o.Payload[0] != 0 {
		t.Errorf("%+v", o)
	}
	o2, created, err := s.New(spec)
	if err != nil || created || o2 != o || inits != 1 {
		t.Error(created, inits, err)
	}
	o3, err := s.Open(Spec{Name: "a", Kind: KindValue, Type: "<i", Size: AnySize})
	if err != nil || o3 != o {
		t.Error(err)
	}
	other := again(t, s)
	o4, created, err := other.New(spec)
	if err != nil || created || inits != 1 || o4 == o || o4.Payload[99] != 7 {
		t.Error(created, inits, err)
	}
}

func TestMismatches(t *testing.T) {
	s := fresh(t, small)
	if _, _, err := s.New(Spec{Name: "a", Kind: KindValue, Type: "T{<i:X:<i:Y:}", Size: 100}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		kind Kind
		typ  string
		size int64
		says string // empty: it is the same
	}{
		{KindArray, "T{<i:X:<i:Y:}", 100, "its kind is Value, not Array"},
		{KindMutex, "", 64, "its kind is Value, not Mutex"},
		{KindValue, "T{<i:X:<f:Y:}", 100, "field Y: int32 in the segment, float32 here"},
		{KindValue, "T{<i:X:}", 100, "field Y"},
		{KindValue, "<i", 100, "struct in the segment, int32 here"},
		{KindValue, "T{<i:X:<i:Y:}", 101, "it has 100 bytes, not 101"},
		{KindValue, "T{<i:X:<i:Y:}", AnySize, ""},
		// another way to write the same type
		{KindValue, "T{i:X:i:Y:}", 101, "it has 100 bytes, not 101"},
		{KindValue, "T{i:X:i:Y:}", 100, ""},
	} {
		_, err := s.Open(Spec{Name: "a", Kind: c.kind, Type: c.typ, Size: c.size})
		if c.says == "" {
			if err != nil {
				t.Errorf("%v %q: %v", c.kind, c.typ, err)
			}
			continue
		}
		wantError(t, err, ErrMismatch, s.Path(), `"a"`, c.says, "use another name")
		var m *MismatchError
		if !errors.As(err, &m) || m.Name != "a" || m.SizeDiffers != (c.size == 101) || m.SizeDiffers && m.Have != 100 {
			t.Errorf("%+v", m)
		}
	}
}

func TestBadNames(t *testing.T) {
	s := fresh(t, small)
	for name, says := range map[string]string{
		"":                       "must not be empty",
		"a/b":                    "must not contain a NUL or a slash",
		"a\x00":                  "must not contain a NUL or a slash",
		strings.Repeat("x", 256): "has 256 bytes, at most 255 are allowed",
	} {
		if name != "" { // an object without a name is made
			_, _, err := s.New(rawSpec(name, 1))
			wantError(t, err, fs.ErrInvalid, s.Path(), says)
		}
		_, err := s.Open(rawSpec(name, 1))
		wantError(t, err, fs.ErrInvalid, s.Path(), says)
		wantError(t, s.Remove(name), fs.ErrInvalid, s.Path(), says)
	}
	for _, name := range []string{"x", " ", ".", "ä\xff", strings.Repeat("x", 255)} {
		made(t, s, name, 1)
	}
	_, _, err := s.New(rawSpec("negative", -5))
	wantError(t, err, fs.ErrInvalid, s.Path(), `"negative"`, "size -5 bytes")
	_, _, err = s.New(Spec{Name: "type", Type: strings.Repeat("x", 65<<10)})
	wantError(t, err, fs.ErrInvalid, s.Path(), `"type"`, "66560 bytes")
	_, _, err = s.New(rawSpec("huge", 1<<62))
	if !directory.LacksRoom(err) {
		t.Error(err)
	}
	if r := checked(t, s); r.Objects != 5 {
		t.Errorf("%+v", r)
	}
}

// Names in one chain of the hash table are told apart, and come and go without harm to each other.
func TestCollidingNames(t *testing.T) {
	s := fresh(t, Config{Size: 1 << 17, Objects: 1, Processes: 1})
	if s.geo.MaxObjects != 1 {
		t.Fatal(s.geo.MaxObjects)
	}
	made(t, s, "a", 1)
	s = fresh(t, Config{Size: 1 << 20, Objects: 512, Processes: 1})
	chains := map[uint32][]string{}
	for i := range 2000 {
		name := fmt.Sprint("name", i)
		b := directory.HashOf(name) & (s.geo.MaxObjects - 1)
		chains[b] = append(chains[b], name)
	}
	var names []string
	for _, b := range slices.Sorted(maps.Keys(chains)) {
		if len(chains[b]) >= 4 && len(names) < 400 {
			names = append(names, chains[b][:4]...)
		}
	}
	for _, name := range names {
		made(t, s, name, int64(len(name)))
	}
	for i := range names { // first, last and in between
		k := i ^ 1
		if err := s.Remove(names[k]); err != nil {
			t.Fatal(err)
		}
		for j, name := range names {
			_, err := s.Open(rawSpec(name, AnySize))
			if gone := slices.Index([]int{j}, k) == 0; gone != errors.Is(err, fs.ErrNotExist) {
				t.Fatalf("%s after removing %s: %v", name, names[k], err)
			}
		}
		made(t, s, names[k], 9)
	}
	if r := checked(t, s); r.Objects != len(names) {
		t.Errorf("%+v", r)
	}
}

func TestNames(t *testing.T) {
	s := fresh(t, small)
	want := map[string]Kind{}
	for i, k := range []Kind{KindValue, KindCounter, KindQueue} {
		name := fmt.Sprint("n", i)
		want[name] = k
		if _, _, err := s.New(Spec{Name: name, Kind: k, Size: 10}); err != nil {
			t.Fatal(err)
		}
	}
	made(t, s, "gone", 1)
	if err := s.Remove("gone"); err != nil {
		t.Fatal(err)
	}
	got := map[string]Kind{}
	s.Names(func(name string, k Kind) bool { got[name] = k; return true })
	if !maps.Equal(got, want) {
		t.Errorf("got %v", got)
	}
	n := 0
	s.Names(func(string, Kind) bool { n++; return false })
	if n != 1 {
		t.Errorf("went on after false: %d", n)
	}
	if Kind(0).String() != "unknown kind 0" || Kind(99).String() != "unknown kind 99" || KindTasks.String() != "task table" {
		t.Error("names of kinds")
	}
}

// A33: a lock in a segment that is mapped twice, at different addresses, in one process.
func TestLockMappedTwice(t *testing.T) {
	s := fresh(t, small)
	other := again(t, s)
	if &s.mem[0] == &other.mem[0] {
		t.Fatal("one address for both")
	}
	a := lock.NewMutex(s.Party(), made(t, s, "lock", 64).Payload, 0)
	b := lock.NewMutex(other.Party(), made(t, other, "lock", 64).Payload, 0)
	if err := a.Lock(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if err := b.TryLock(); !errors.Is(err, lock.ErrLocked) {
		t.Errorf("locked by the other mapping: %v", err)
	}
	a.Unlock()
	if err := b.Lock(bounded(t)); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil { // does not touch the lock of the other
		t.Error(err)
	}
	if !b.Held() {
		t.Error("the lock is gone")
	}
	b.Unlock()
}

func TestUseAfterClose(t *testing.T) {
	s := fresh(t, small)
	o := made(t, s, "a", 10)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	_, _, newErr := s.New(rawSpec("a", 10))
	_, openErr := s.Open(rawSpec("a", 10))
	_, checkErr := s.Check()
	_, marshalErr := o.Marshal()
	for what, err := range map[string]error{
		"New": newErr, "Open": openErr, "Check": checkErr, "Marshal": marshalErr, "Remove": s.Remove("a"), "Unlink": s.Unlink(),
	} {
		if !errors.Is(err, lock.ErrClosed) || !errors.Is(err, fs.ErrClosed) || !strings.Contains(err.Error(), s.Path()) {
			t.Errorf("%s after Close: %v", what, err)
		}
	}
	s.Names(func(string, Kind) bool { return true })
}
