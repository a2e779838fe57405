//go:build linux

package shm_test

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// wantErr wants an error of some kind, whose text mentions what a person must know.
func wantErr(t testing.TB, err, is error, mentions ...string) {
	t.Helper()
	if !errors.Is(err, is) {
		t.Errorf("got %v, want %v", err, is)
		return
	}
	text := err.Error()
	for _, m := range mentions {
		if !strings.Contains(text, m) {
			t.Errorf("%s: does not mention %q", text, m)
		}
	}
	if !strings.HasPrefix(text, "shm: ") || strings.Count(text, "shm: ") != 1 {
		t.Errorf("%s: does not name its package once", text)
	}
}

func TestBadSegmentNames(t *testing.T) {
	t.Setenv("SHMKIT_DIR", proctest.CleanDir(t))
	long := strings.Repeat("x", 256)
	for _, c := range []struct{ name, mention string }{
		{"", "empty"},
		{"a\x00b", `"a\x00b"`},
		{"/dev/shm/\x00", `\x00`},
		{long, "256 bytes"},
		{"/dev/shm/" + long, "255 bytes"},
		{".", `"."`},
		{"..", `".."`},
	} {
		_, err := shm.Create(c.name, small)
		wantErr(t, err, fs.ErrInvalid, c.mention)
		_, err = shm.Open(c.name)
		wantErr(t, err, fs.ErrInvalid, c.mention)
		_, err = shm.OpenOrCreate(c.name, small)
		wantErr(t, err, fs.ErrInvalid, c.mention)
		wantErr(t, shm.Remove(c.name), fs.ErrInvalid, c.mention)
	}
}

func TestBadOptions(t *testing.T) {
	dir := proctest.CleanDir(t)
	for _, c := range []struct {
		shm.Options
		mention string
	}{
		{shm.Options{Size: -1}, "-1 bytes"},
		{shm.Options{Size: 1}, "at least"},
		{shm.Options{Size: math.MaxInt64}, strconv.Itoa(math.MaxInt64)},
		{shm.Options{Objects: -1}, "-1 objects"},
		{shm.Options{Objects: math.MaxInt}, "objects"},
		{shm.Options{Processes: -1}, "-1 processes"},
		{shm.Options{Processes: 1025}, "1025 processes: must be from 1 to 1024"},
	} {
		path := filepath.Join(dir, "s")
		_, err := shm.Create(path, c.Options)
		wantErr(t, err, fs.ErrInvalid, c.mention, path)
		_, err = shm.OpenOrCreate(path, c.Options)
		wantErr(t, err, fs.ErrInvalid, c.mention, path)
		_, err = shm.Anonymous(c.Options)
		wantErr(t, err, fs.ErrInvalid, c.mention)
	}
}

func TestBadObjectNames(t *testing.T) {
	seg := newSegment(t, small)
	for _, c := range []struct{ name, mention string }{
		{"", "empty"}, {"a\x00", `"a\x00"`}, {"a/b", `"a/b"`}, {strings.Repeat("y", 300), "300 bytes"},
	} {
		for _, m := range makers {
			_, err := m.new(seg, c.name)
			wantErr(t, err, fs.ErrInvalid, c.mention, seg.Path())
			_, err = m.open(seg, c.name)
			wantErr(t, err, fs.ErrInvalid, c.mention, seg.Path())
		}
		wantErr(t, seg.RemoveObject(c.name), fs.ErrInvalid, c.mention, seg.Path())
	}
	wantErr(t, seg.RemoveObject("none"), fs.ErrNotExist, `"none"`, seg.Path())
}

type person struct {
	Age  int32
	Name string
}

type family struct {
	Members [2]struct{ Who person }
}

// refuses checks that T is refused everywhere, with the path of the field and a reason.
func refuses[T any](t *testing.T, seg *shm.Segment, mentions ...string) {
	t.Helper()
	var zero T
	var err error
	for _, construct := range []func(){
		func() { _, err = shm.NewValue(seg, "x", zero) },
		func() { _, err = shm.OpenValue[T](seg, "x") },
		func() { err = new(shm.Value[T]).UnmarshalBinary(nil) },
		func() { _, err = shm.NewRawValue(seg, "x", zero) },
		func() { _, err = shm.OpenRawValue[T](seg, "x") },
		func() { err = new(shm.RawValue[T]).UnmarshalBinary(nil) },
		func() { _, err = shm.NewArray[T](seg, "x", 1) },
		func() { _, err = shm.OpenArray[T](seg, "x") },
		func() { err = new(shm.Array[T]).UnmarshalBinary(nil) },
		func() { _, err = shm.NewRawArray[T](seg, "x", 1) },
		func() { _, err = shm.OpenRawArray[T](seg, "x") },
		func() { err = new(shm.RawArray[T]).UnmarshalBinary(nil) },
	} {
		construct()
		var u *shm.UnsupportedTypeError
		if !errors.As(err, &u) || u.Path != mentions[0] || u.Reason == "" {
			t.Errorf("%T: %v, want an UnsupportedTypeError of %q", zero, err, mentions[0])
		} else {
			wantErr(t, err, u, mentions...)
		}
	}
}

func TestTypesThatCannotBeShared(t *testing.T) {
	seg := newSegment(t, small)
	refuses[int](t, seg, "int", "int64")
	refuses[uint](t, seg, "uint", "uint64")
	refuses[uintptr](t, seg, "uintptr", "address")
	refuses[*int32](t, seg, "ptr", "*int32", "address")
	refuses[string](t, seg, "string", "byte array")
	refuses[[]byte](t, seg, "slice", "[]uint8", "array")
	refuses[struct{}](t, seg, "struct", "struct {}", "no bytes")
	refuses[[0]int32](t, seg, "array", "[0]int32", "no bytes")
	refuses[person](t, seg, "person.Name", "string has no fixed size")
	refuses[family](t, seg, "family.Members[].Who.Name", "string has no fixed size")
	refuses[error](t, seg, "error", "fixed-size")
	refuses[func()](t, seg, "func", "func()", "code")
}

func TestBadLengths(t *testing.T) {
	seg := newSegment(t, small)
	for _, n := range []int{-1, math.MinInt, math.MaxInt, 1 << 44, math.MaxInt/8 + 1, math.MaxInt / 2} {
		_, err := shm.NewArray[int64](seg, "an array", n)
		wantErr(t, err, fs.ErrInvalid, strconv.Itoa(n), `"an array"`)
		_, err = shm.NewRawArray[[3]int64](seg, "an array", n)
		wantErr(t, err, fs.ErrInvalid, strconv.Itoa(n), `"an array"`)
	}
}

// wantNoSpace wants an error that says what was needed and what is free.
func wantNoSpace(t *testing.T, err error, path string, need, most int64, mentions ...string) {
	t.Helper()
	var n *shm.NoSpaceError
	if !errors.As(err, &n) {
		t.Errorf("got %v, want a NoSpaceError", err)
		return
	}
	if n.Need < need || n.Free < 0 || n.Free > most || n.Path != path {
		t.Errorf("%+v, want at least %d needed, at most %d free, of %s", n, need, most, path)
	}
	wantErr(t, err, n, append(mentions, path, fmt.Sprint(n.Need), fmt.Sprint(n.Free))...)
}

func TestNoSpaceInTheSegment(t *testing.T) {
	seg := newSegment(t, small)
	_, err := shm.NewRawArray[byte](seg, "too big", 600<<10)
	wantNoSpace(t, err, seg.Path(), 600<<10, seg.Size(), `"too big"`)
	_, err = shm.NewArray[byte](seg, "too big", 300<<10) // twice that
	wantNoSpace(t, err, seg.Path(), 600<<10, seg.Size(), `"too big"`)
	for i := 0; err == nil || i == 0; i++ {
		_, err = shm.NewValue(seg, fmt.Sprint(i), [20000]byte{})
	}
	wantNoSpace(t, err, seg.Path(), 40000, 45000)
}

func TestNoSpaceInTheFileSystem(t *testing.T) {
	dir := proctest.Dir(t)
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m,mode=700"); err != nil {
		t.Skipf("a small file system cannot be mounted here: %v", err)
	}
	t.Cleanup(func() { wantOK(t, syscall.Unmount(dir, syscall.MNT_DETACH)) })
	path := filepath.Join(dir, "s")
	seg, err := shm.Create(path, shm.Options{Size: 64 << 20, Objects: 64, Processes: 16})
	wantOK(t, err)
	defer seg.Close()
	_, err = shm.NewRawArray[byte](seg, "too big", 4<<20)
	wantNoSpace(t, err, path, 4<<20, 1<<20, `"too big"`)
	wantOK(t, seg.Check())
	_, err = shm.NewRawArray[byte](seg, "fits", 400<<10)
	wantOK(t, err)

	_, err = shm.Create(path+"2", shm.Options{Size: 8 << 30, Processes: 1024})
	wantNoSpace(t, err, path+"2", 1<<20, 1<<20)
	if _, err := os.Lstat(path + "2"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

// What is at a path may be anything.
func TestNotASegment(t *testing.T) {
	path := newPath(t)
	seg := need(shm.Create(path, small))
	wantOK(t, seg.Close())
	good := need(os.ReadFile(path))
	changed := func(off int, b byte) func() {
		return func() {
			bad := append([]byte(nil), good...)
			bad[off] ^= b
			must(os.WriteFile(path, bad, 0o600))
		}
	}
	write := func(b []byte) func() { return func() { must(os.WriteFile(path, b, 0o600)) } }
	swapped := append([]byte(nil), good...)
	for i := range 4 {
		swapped[i], swapped[7-i] = swapped[7-i], swapped[i]
	}
	for _, c := range []struct {
		name, mention string
		make          func()
	}{
		{"empty", "0 bytes", write(nil)},
		{"text", "too short", write([]byte("no segment"))},
		{"zeros", "not a shmkit segment", write(make([]byte, 10000))},
		{"text", "not a shmkit segment", write([]byte(strings.Repeat("text", 5000)))},
		{"truncated in the header", "too short", write(good[:4095])},
		{"truncated", "truncated", write(good[:len(good)-4096])},
		{"version", "version", changed(8, 2)},
		{"word size", "4-byte words", changed(12, 8^4)},
		{"checksum", "checksum", changed(84, 1)},
		{"number of slots", "checksum", changed(16, 1)},
		{"byte order", "byte order", write(swapped)},
		{"symbolic link", "symbolic link", func() { must(os.Symlink("/dev/null", path)) }},
		{"dangling link", "symbolic link", func() { must(os.Symlink("nowhere", path)) }},
		{"directory", "directory", func() { must(os.Mkdir(path, 0o700)) }},
		{"pipe", "pipe", func() { must(syscall.Mkfifo(path, 0o600)) }},
		{"socket", "socket", func() { must(syscall.Mknod(path, syscall.S_IFSOCK|0o600, 0)) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			must(os.RemoveAll(path))
			c.make()
			before := need(os.Lstat(path))
			_, err := shm.Open(path)
			wantErr(t, err, shm.ErrFormat, path, c.mention)
			_, err = shm.OpenOrCreate(path, small)
			wantErr(t, err, shm.ErrFormat, path, c.mention)
			_, err = shm.Create(path, small)
			wantErr(t, err, fs.ErrExist, path)
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) || before.Size() != after.Size() {
				t.Errorf("it was changed: %v", err)
			}
			if err = shm.Remove(path); before.Mode().IsRegular() {
				wantOK(t, err)
			} else {
				wantErr(t, err, shm.ErrFormat, path)
				need(os.Lstat(path))
			}
		})
	}
}

func TestBadDescriptors(t *testing.T) {
	_, err := shm.FromFile(need(os.Open("/dev/null")))
	wantErr(t, err, shm.ErrFormat, "/dev/null")
	closed := need(os.Open("/dev/null"))
	wantOK(t, closed.Close())
	_, err = shm.FromFile(closed)
	wantErr(t, err, fs.ErrClosed, "/dev/null")
	_, err = shm.FromFile(nil)
	wantErr(t, err, fs.ErrInvalid)
	path := newPath(t)
	wantOK(t, os.WriteFile(path, []byte("text"), 0o600))
	f := need(os.Open(path))
	defer f.Close()
	_, err = shm.FromFile(f)
	wantErr(t, err, shm.ErrFormat, path)
}

func TestMissing(t *testing.T) {
	path := newPath(t)
	_, err := shm.Open(path)
	wantErr(t, err, fs.ErrNotExist, path)
	wantErr(t, shm.Remove(path), fs.ErrNotExist, path)
	_, err = shm.Create(path+"/nowhere/s", small)
	wantErr(t, err, fs.ErrNotExist, path+"/nowhere/s")
	t.Setenv("SHMKIT_DIR", path+"/nowhere/s")
	_, err = shm.Create("s", small)
	wantErr(t, err, fs.ErrNotExist, path+"/nowhere/s", "SHMKIT_DIR")
}

// stranger: SEGMENT. It says what a user without rights gets.
var roleStranger = proctest.Register("stranger", func(args []string) {
	_, err := shm.Open(args[0])
	proctest.Say("%v: %v", errors.Is(err, fs.ErrPermission), err)
	_, err = shm.Create(args[0]+"2", small)
	proctest.Say("%v: %v", errors.Is(err, fs.ErrPermission), err)
	proctest.Say("%v", shm.Remove(args[0]) != nil)
	seg, err := shm.Open(args[0] + ".shared")
	if err == nil {
		need(shm.OpenInt64(seg, "n")).Add(1)
	}
	proctest.Say("%v", err)
})

func TestPermission(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can be another user")
	}
	path := newPath(t)
	wantOK(t, os.Chmod(filepath.Dir(path), 0o755))
	seg := need(shm.Create(path, small))
	defer seg.Close()
	o := small
	o.Mode, o.Group = 0o660, 65534
	shared := need(shm.Create(path+".shared", o))
	defer shared.Close()
	n := need(shm.NewInt64(shared, "n", 1))
	if fi := need(os.Stat(path)); fi.Mode() != 0o600 {
		t.Errorf("by default its mode is %v", fi.Mode())
	}
	c := proctest.Command(t, roleStranger, path)
	c.Cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	c.Start()
	for range 2 {
		if line := c.Line(); !strings.HasPrefix(line, "true: ") || !strings.Contains(line, path) {
			t.Error(line)
		}
	}
	c.Expect("true")
	c.Expect("<nil>")
	c.WaitOK()
	if n.Load() != 2 {
		t.Errorf("the member of the group did not add: %d", n.Load())
	}
}

func TestDirectoryThatIsNotPrivate(t *testing.T) {
	dir := proctest.Dir(t)
	t.Setenv("SHMKIT_DIR", dir)
	wantOK(t, os.Chmod(dir, 0o777))
	_, err := shm.Create("s", small)
	wantErr(t, err, fs.ErrPermission, dir, "SHMKIT_DIR", "0777")
	_, err = shm.Open("s")
	wantErr(t, err, fs.ErrPermission, dir)
}

// Objects that nobody could find are not made; those that are there go on.
func TestUnlinkedSegment(t *testing.T) {
	for _, how := range []string{"Segment.Remove", "Remove", "by hand"} {
		seg := need(shm.Create(newPath(t), small))
		defer seg.Close()
		c := need(shm.NewCounter(seg, "c"))
		switch how {
		case "Segment.Remove":
			wantOK(t, seg.Remove())
		case "Remove":
			wantOK(t, shm.Remove(seg.Path()))
		default:
			wantOK(t, os.Remove(seg.Path()))
		}
		for _, m := range makers {
			_, err := m.new(seg, "new "+m.kind)
			wantErr(t, err, shm.ErrRemoved, seg.Path())
		}
		c.Add(1)
		if c, err := shm.NewCounter(seg, "c"); err != nil || c.Sum() != 1 {
			t.Errorf("find what is there: %v", err)
		}
		_, err := c.MarshalBinary()
		wantErr(t, err, shm.ErrRemoved, seg.Path(), `"c"`)
		wantErr(t, seg.Remove(), fs.ErrNotExist, seg.Path())
		wantOK(t, seg.RemoveObject("c"))
	}
}

func TestTooManyProcesses(t *testing.T) {
	o := small
	o.Processes = 3
	seg := newSegment(t, o)
	for range 2 {
		other := need(shm.Open(seg.Path()))
		defer other.Close()
	}
	_, err := shm.Open(seg.Path())
	wantErr(t, err, shm.ErrTooManyProcesses, seg.Path(), "3 of 3")
	_, err = shm.FromFile(seg.File())
	wantErr(t, err, shm.ErrTooManyProcesses, "3 of 3")
}

func TestTooManyObjects(t *testing.T) {
	o := small
	o.Objects = 4
	seg := newSegment(t, o)
	for i := range 4 {
		need(shm.NewBool(seg, fmt.Sprint(i), true))
	}
	_, err := shm.NewBool(seg, "fifth", true)
	wantErr(t, err, shm.ErrTooManyObjects, seg.Path(), `"fifth"`, "4")
	wantOK(t, seg.RemoveObject("2"))
	need(shm.NewBool(seg, "fifth", true))
}

func wantAs[E error](t testing.TB, err error, target *E) {
	t.Helper()
	if !errors.As(err, target) {
		t.Fatalf("got %v, want a %T", err, *target)
	}
}
