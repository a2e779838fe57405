//go:build linux

package shm

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/lock"
)

// A Load that writers outrun for ever ends with an error that says so: a process that only reads
// cannot keep them out.
func TestReadOnlyLoadEndsWhenOutrun(t *testing.T) {
	writer, moved := restless(t)
	seg, err := OpenReadOnly(writer.Segment().Path())
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	v, err := OpenValue[int64](seg, "v")
	if err != nil {
		t.Fatal(err)
	}
	looks := 0
	_, err = v.loadSlow(func() (int64, bool) {
		looks++
		return moved()
	})
	wantOutrun(t, err)
	if looks < 1000 {
		t.Errorf("it has looked %d times only", looks)
	}

	// when the writers pause at last, it succeeds
	looks = 0
	n, err := v.loadSlow(func() (int64, bool) {
		if looks++; looks < 1000 {
			return moved()
		}
		return v.read()
	})
	if n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// wantOutrun wants an error that says what, where and why.
func wantOutrun(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, lock.ErrLocked) || errors.Is(err, fs.ErrPermission) {
		t.Fatalf("got %v, want %v", err, lock.ErrLocked)
	}
	for _, part := range []string{`"v"`, "/segment", "writers change it faster"} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%v does not mention %q", err, part)
		}
	}
}

// So do the reads of an Array, and they end with their context, too.
func TestReadOnlyArrayEndsWhenOutrun(t *testing.T) {
	writer, _ := restless(t)
	if _, err := NewArray[int64](writer.Segment(), "v array", 4); err != nil {
		t.Fatal(err)
	}
	seg, err := OpenReadOnly(writer.Segment().Path())
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	a, err := OpenArray[int64](seg, "v array")
	if err != nil {
		t.Fatal(err)
	}
	ok, round := false, 1000 // the last of those that let the writers get on come soon
	for ; err == nil && !ok && round < 2000; round++ {
		ok, err = a.copyAlone(context.Background(), make([]int64, 4), 0, round)
	}
	if !errors.Is(err, lock.ErrLocked) || ok {
		t.Errorf("at round %d: %v, %v", round, ok, err)
	}
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := a.copyAlone(ended, make([]int64, 4), 0, 0); !errors.Is(err, context.Canceled) {
		t.Errorf("its context has ended: %v", err)
	}
	if err := a.Detach(); err != nil {
		t.Fatal(err)
	}
	if _, err := a.copyAlone(context.Background(), make([]int64, 4), 0, 0); !errors.Is(err, ErrClosed) {
		t.Errorf("it was detached: %v", err)
	}
}
