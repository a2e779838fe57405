//go:build crashtest && linux

package shm_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/shm"
)

// A crashScene is an operation that a victim is killed in, at its first crash point, its second,
// and so on until it completes. Before it all that is there is made of ones, and the victim makes
// it twos.
type crashScene struct {
	name  string
	act   func(w *view) error // in the victim
	check func(t *testing.T, w *view, completed bool)
}

var crashScenes = []crashScene{
	{"Value.Store", func(w *view) error { return w.v.Store(background, wideOf(2)) }, valueIsWhole},
	{"Value.Update", func(w *view) error {
		return w.v.Update(background, func(v *wide) error {
			for i := range v {
				v[i]++
				if i == 30 {
					crashpoint.Here("test.half")
				}
			}
			return nil
		})
	}, valueIsWhole},
	{"Array.Set", func(w *view) error { return w.a.Set(background, 3, wideOf(2)) }, func(t *testing.T, w *view, completed bool) {
		e := w.elements(t)
		oldOrNew(t, e[3], completed)
		for i, e := range e {
			if i != 3 && e != wideOf(1) {
				t.Errorf("element %d, which was not set: %v", i, e)
			}
		}
	}},
	{"Array.Update", twosInArray, arrayIsWhole},
	{"Array.Update-that-fails", func(w *view) error {
		err := w.a.Update(background, func(e []wide) error {
			fillWide(e[:12], 2)
			return errMine
		})
		if err != errMine {
			return err
		}
		return nil
	}, func(t *testing.T, w *view, _ bool) {
		for i, e := range w.elements(t) {
			if e != wideOf(1) {
				t.Errorf("element %d is %v", i, e)
			}
		}
	}},
	{"create-Value", func(w *view) error { _, err := shm.NewValue(w.seg, "new", wideOf(3)); return err }, func(t *testing.T, w *view, completed bool) {
		if _, err := shm.OpenValue[wide](w.seg, "new"); err != nil && (completed || !errors.Is(err, fs.ErrNotExist)) {
			t.Error(err)
		}
		if got := need(need(shm.NewValue(w.seg, "new", wideOf(3))).Load()); got != wideOf(3) {
			t.Errorf("the new Value is %v", got)
		}
	}},
	{"create-Array", func(w *view) error { _, err := shm.NewArray[wide](w.seg, "new", 50); return err }, func(t *testing.T, w *view, completed bool) {
		if _, err := shm.OpenArray[wide](w.seg, "new"); err != nil && (completed || !errors.Is(err, fs.ErrNotExist)) {
			t.Error(err)
		}
		for _, e := range need(shm.NewArray[wide](w.seg, "new", 50)).All() {
			if e != (wide{}) {
				t.Error("the new Array is not zero")
			}
		}
	}},
	{"remove", func(w *view) error { return w.seg.RemoveObject("gone") }, func(t *testing.T, w *view, completed bool) {
		c, err := shm.OpenCounter(w.seg, "gone")
		switch {
		case err == nil && !completed:
			if c.Sum() != 5 {
				t.Errorf("the Counter is there with %d", c.Sum())
			}
			wantOK(t, w.seg.RemoveObject("gone"))
		case !errors.Is(err, fs.ErrNotExist):
			t.Error(err)
		}
		if c := need(shm.NewCounter(w.seg, "gone")); c.Sum() != 0 {
			t.Errorf("the new Counter has %d", c.Sum())
		}
	}},
}

func twosInArray(w *view) error {
	return w.a.Update(background, func(e []wide) error {
		fillWide(e[:7], 2)
		crashpoint.Here("test.half")
		fillWide(e, 2)
		return nil
	})
}

func valueIsWhole(t *testing.T, w *view, completed bool) { oldOrNew(t, need(w.v.Load()), completed) }

func arrayIsWhole(t *testing.T, w *view, completed bool) {
	e := w.elements(t)
	oldOrNew(t, e[0], completed)
	for i := range e {
		if e[i] != e[0] {
			t.Errorf("element %d is %v, the first %v", i, e[i], e[0])
		}
	}
}

func oldOrNew(t *testing.T, got wide, completed bool) {
	t.Helper()
	if got != wideOf(2) && (completed || got != wideOf(1)) {
		t.Errorf("completed %v: %v", completed, got)
	}
}
