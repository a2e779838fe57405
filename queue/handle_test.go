package queue

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/ring"
	"github.com/shmkit/shmkit/shm"
)

// A61: opening what does not exist, making what does, and everything that does not fit.
func TestOpenAndMake(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	_, err := OpenQueue[int32](seg, "q", Options{})
	wantErr(t, err, fs.ErrNotExist)
	q, err := NewQueue[int32](seg, "q", 3, Options{})
	if err != nil {
		t.Fatal(err)
	}
	mustPut(t, q, 1)
	for _, open := range []func() (*Queue[int32], error){
		func() (*Queue[int32], error) { return NewQueue[int32](seg, "q", 3, Options{}) },
		// is the same
		func() (*Queue[int32], error) { return NewQueue[int32](seg, "q", 4, Options{}) },
		func() (*Queue[int32], error) { return OpenQueue[int32](seg, "q", Options{}) },
	} {
		again, err := open()
		if err != nil {
			t.Fatal(err)
		}
		if again.Name() != "q" || again.Cap() != 4 || again.Len() != 1 {
			t.Errorf("%q with capacity %d and %d messages", again.Name(), again.Cap(), again.Len())
		}
	}
	if _, err := shm.NewValue(seg, "v", int32(0)); err != nil {
		t.Fatal(err)
	}
	for want, open := range map[string]func() error{
		"its capacity is 4 messages, not 8 (5 rounded up to a power of two)": func() error { _, err := NewQueue[int32](seg, "q", 5, Options{}); return err },
		"its capacity is 4 messages, not 2":                                  func() error { _, err := NewQueue[int32](seg, "q", 2, Options{}); return err },
		"int32":                                                              func() error { _, err := NewQueue[uint32](seg, "q", 4, Options{}); return err },
		"Value, not Queue":                                                   func() error { _, err := NewQueue[int32](seg, "v", 4, Options{}); return err },
	} {
		err := open()
		wantErr(t, err, shm.ErrMismatch)
		if !strings.Contains(err.Error(), want) {
			t.Errorf("error %q, want %q in it", err, want)
		}
	}
	for _, capacity := range []int{0, -1, ring.MaxCapacity + 1} {
		if _, err := NewQueue[int32](seg, "bad", capacity, Options{}); err == nil || !strings.Contains(err.Error(), fmt.Sprint(capacity)) {
			t.Errorf("capacity %d: %v", capacity, err)
		}
	}
	var tooBig *shm.NoSpaceError
	if _, err := NewQueue[[1 << 20]byte](seg, "bad", 1<<20, Options{}); !errors.As(err, &tooBig) {
		t.Errorf("a queue of a terabyte: %v", err)
	}
}

func TestTypes(t *testing.T) {
	type good struct {
		A int8
		B [3]float64
		C struct{ D complex128 }
	}
	type bad struct {
		N int32
		S string
	}
	seg := newSegment(t, shm.Options{})
	var unsupported *shm.UnsupportedTypeError
	if _, err := NewQueue[bad](seg, "bad", 1, Options{}); !errors.As(err, &unsupported) || !strings.Contains(err.Error(), "bad.S") {
		t.Errorf("a string in the type: %v", err)
	}
	if _, err := OpenQueue[*int](seg, "bad", Options{}); !errors.As(err, &unsupported) {
		t.Errorf("a pointer: %v", err)
	}
	q, err := NewQueue[good](seg, "good", 2, Options{})
	if err != nil {
		t.Fatal(err)
	}
	a, b := good{A: -1, B: [3]float64{1, 2, 3}}, good{A: 2}
	b.C.D = 3i
	mustPut(t, q, a, b)
	mustGet(t, q, a, b)
}

// roleEcho puts what it gets from the queue of the handle args[0] into that of args[1].
var roleEcho = proctest.Register("echo", func(args []string) {
	var in, out Queue[line]
	for i, q := range []*Queue[line]{&in, &out} {
		b, err := hex.DecodeString(args[i])
		proctest.ExitOn(err)
		proctest.ExitOn(q.UnmarshalBinary(b))
	}
	proctest.Say("ready")
	for v, err := range in.All(background) {
		proctest.ExitOn(err)
		proctest.ExitOn(out.Put(background, v))
	}
	proctest.ExitOn(out.Close())
})

// echo starts a process that sends all that is put into the one queue back through the other.
func echo(t testing.TB) (there, back *Queue[line], child *proctest.Child) {
	t.Helper()
	there, path := namedQueue[line](t, 4, Options{})
	back, err := NewQueue[line](reopen(t, path), "back", 4, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var handles []string
	for _, q := range []*Queue[line]{there, back} {
		b, err := q.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		handles = append(handles, hex.EncodeToString(b))
	}
	child = proctest.Start(t, roleEcho, handles...)
	child.Expect("ready")
	return there, back, child
}

// A handle goes to another process as bytes.
func TestHandlesTravel(t *testing.T) {
	there, back, child := echo(t)
	for i := range uint64(100) {
		if err := there.Put(background, line{i}); err != nil {
			t.Fatal(err)
		}
		if v, err := back.Get(background); err != nil || v != (line{i}) {
			t.Fatal(v, err)
		}
	}
	if err := there.Close(); err != nil {
		t.Fatal(err)
	}
	_, err := back.Get(background)
	wantErr(t, err, ErrClosed)
	child.WaitOK()
}

func TestBadHandles(t *testing.T) {
	var q Queue[int32]
	if _, err := q.MarshalBinary(); err == nil {
		t.Error("a handle without a queue was written down")
	}
	for _, b := range [][]byte{nil, {1}, make([]byte, 100)} {
		wantErr(t, q.UnmarshalBinary(b), shm.ErrFormat)
	}
	seg := newSegment(t, shm.Options{})
	v, err := shm.NewValue(seg, "v", int32(0))
	if err != nil {
		t.Fatal(err)
	}
	b, err := v.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	wantErr(t, q.UnmarshalBinary(b), shm.ErrMismatch)
	other := newQueue[int64](t, 1, Options{})
	if b, err = other.MarshalBinary(); err != nil {
		t.Fatal(err)
	}
	wantErr(t, q.UnmarshalBinary(b), shm.ErrMismatch)
}
