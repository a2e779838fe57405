package queue

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A letter is a value of many kinds.
type letter struct {
	Name    string
	Tags    []string
	Weights map[string]float64
	Next    *letter
	Hits    *shm.Counter
}

func newObjects[T any](t testing.TB, capacity int) *Objects[T] {
	t.Helper()
	q, err := NewObjects[T](newSegment(t, shm.Options{}), "o", capacity, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestObjectsRoundTrip(t *testing.T) {
	q := newObjects[letter](t, 1000)
	in := letter{Name: "a", Tags: []string{"x", ""}, Weights: map[string]float64{"g": 1.5}, Next: &letter{Name: "b"}}
	wantErr(t, q.TryPut(in), nil)
	out, err := q.TryGet()
	if err != nil || !reflect.DeepEqual(in, out) {
		t.Errorf("%+v, %v, want %+v", out, err, in)
	}
	_, err = q.TryGet()
	wantErr(t, err, ErrEmpty)
}

// A41: what cannot be encoded, or is too long, loses no slot and wakes no waiter.
func TestObjectsBadItem(t *testing.T) {
	q := newObjects[any](t, 20)
	before := q.Stats()
	for range 20 {
		if err := q.Put(background, func() {}); err == nil {
			t.Fatal("a function was put")
		}
		if err := q.TryPut(make([]byte, 100)); err == nil {
			t.Fatal("100 bytes were put into a queue of 20")
		}
	}
	if after := q.Stats(); after != before || q.Len() != 0 {
		t.Errorf("%+v, was %+v", after, before)
	}
	wantErr(t, q.TryPut("good"), nil)
	if v, err := q.TryGet(); err != nil || v != "good" {
		t.Error(v, err)
	}
	if _, err := NewObjects[chan int](newSegment(t, shm.Options{}), "o", 20, Options{}); err == nil {
		t.Error("channels are taken")
	}
}

// NewObjects and OpenObjects say which field would arrive changed; a message that contains itself
// is an error of Put, not an overflow of its stack.
func TestObjectsRefuseWhatWouldChange(t *testing.T) {
	type lossy struct {
		Name string
		n    int
	}
	_ = lossy{n: 1}
	seg := newSegment(t, shm.Options{})
	for _, open := range []func() error{
		func() error { _, err := NewObjects[[]lossy](seg, "o", 100, Options{}); return err },
		func() error { _, err := OpenObjects[[]lossy](seg, "o", Options{}); return err },
	} {
		if err := open(); err == nil || !strings.Contains(err.Error(), "slice[].n is not exported") {
			t.Error(err)
		}
	}
	q := newObjects[letter](t, 1000)
	knot := letter{Name: "a"}
	knot.Next = &knot
	if err := q.TryPut(knot); err == nil || !strings.Contains(err.Error(), "cycle") {
		t.Error(err)
	}
	anys := newObjects[map[string]any](t, 1000)
	wantErr(t, anys.TryPut(map[string]any{"a": 1, "b": map[string]any{"c": uint8(2)}}), nil)
	if got, err := anys.TryGet(); err != nil || !reflect.DeepEqual(got, map[string]any{"a": 1, "b": map[string]any{"c": uint8(2)}}) {
		t.Errorf("%#v, %v", got, err)
	}
}

// A message that is no T is taken, and said to be none; the next one comes as usual.
func TestObjectsDecodeError(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	texts, err := NewObjects[string](seg, "o", 100, Options{})
	wantErr(t, err, nil)
	numbers, err := OpenObjects[int](seg, "o", Options{})
	wantErr(t, err, nil)
	wantErr(t, texts.TryPut("seven"), nil)
	wantErr(t, numbers.TryPut(8), nil)
	wantErr(t, texts.Close(), nil)
	var got []string
	for v, err := range numbers.All(background) {
		var bad *DecodeError
		switch {
		case errors.As(err, &bad):
			got = append(got, "bad")
		case err != nil:
			t.Fatal(err)
		default:
			got = append(got, fmt.Sprint(v))
		}
	}
	if !reflect.DeepEqual(got, []string{"bad", "8"}) {
		t.Error(got)
	}
	_, err = OpenBytes(seg, "o", Options{})
	wantErr(t, err, shm.ErrMismatch)
}

// roleLetters takes letters from the queue of the segment args[0], counts on the counter that comes
// with each, and answers with its name.
var roleLetters = proctest.Register("letters", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	q, err := OpenObjects[letter](seg, "o", Options{})
	proctest.ExitOn(err)
	proctest.Say("ready")
	for p, err := range q.All(background) {
		proctest.ExitOn(err)
		p.Hits.Add(1)
		proctest.Say("%s", p.Name)
	}
})

// Objects pass between processes, with handles of shared objects in them.
func TestObjectsAcrossProcesses(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	hits, err := shm.NewCounter(seg, "hits")
	wantErr(t, err, nil)
	q, err := NewObjects[letter](seg, "o", 1000, Options{})
	wantErr(t, err, nil)
	child := proctest.Start(t, roleLetters, path)
	child.Expect("ready")
	for i := range 100 {
		wantErr(t, q.Put(background, letter{Name: fmt.Sprint(i), Hits: hits}), nil)
	}
	for i := range 100 {
		child.Expect(fmt.Sprint(i))
	}
	wantErr(t, q.Close(), nil)
	child.WaitOK()
	if n := hits.Sum(); n != 100 {
		t.Errorf("counted %d", n)
	}
}

func TestObjectsHandle(t *testing.T) {
	q := newObjects[int](t, 100)
	data, err := q.MarshalBinary()
	wantErr(t, err, nil)
	var again Objects[int]
	wantErr(t, again.UnmarshalBinary(data), nil)
	var all sync.WaitGroup
	all.Go(func() {
		v, err := again.Get(background)
		if err != nil || v != 7 {
			t.Error(v, err)
		}
	})
	wantErr(t, q.Put(background, 7), nil)
	all.Wait()
}
