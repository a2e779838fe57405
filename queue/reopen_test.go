package queue

import (
	"errors"
	"io/fs"
	"os"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// The queue of the last run of a program is closed and can be opened again, once it is empty; all handles see that.
func TestReopen(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q, err := NewQueue[int64](seg, "q", 4, Options{})
	if err != nil {
		t.Fatal(err)
	}
	other, err := OpenQueue[int64](seg, "q", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := q.Reopen(); err != nil {
		t.Errorf("an open queue: %v", err)
	}
	for round := range int64(3) {
		if err := errors.Join(q.Put(t.Context(), round), q.Close()); err != nil {
			t.Fatal(err)
		}
		if err := other.Reopen(); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), `"q"`) {
			t.Errorf("with a message in it: %v", err)
		}
		if v, err := other.Get(t.Context()); v != round || err != nil {
			t.Errorf("got %d, %v", v, err)
		}
		if _, err := q.Get(t.Context()); !errors.Is(err, ErrClosed) || !errors.Is(err, os.ErrClosed) || !strings.Contains(err.Error(), "Reopen") || !strings.Contains(err.Error(), `"q"`) {
			t.Errorf("closed: %v", err)
		}
		if err := other.Reopen(); err != nil || q.Closed() {
			t.Fatalf("reopen: %v", err)
		}
	}
	if err := errors.Join(q.TryPut(9), seg.Close()); err != nil {
		t.Error(err)
	}
	if err := q.Reopen(); !errors.Is(err, shm.ErrClosed) {
		t.Errorf("in a closed segment: %v", err)
	}
}
