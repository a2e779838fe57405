package dict

import (
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/segment"
)

// A view of an object that this process has just closed, while the memory is still that of all
// processes, changes nothing there.
func TestViewOfClosedObject(t *testing.T) {
	m := newMapIn(t, 1<<20, Options{})
	m.mustSet("k", "v")
	again, err := segment.OpenFile(m.s.File())
	must(err)
	defer again.Close()
	o, err := again.Open(Spec("m", "test", Options{}))
	must(err)
	_, err = o.Release()
	must(err)
	_, err = Of(o)
	must(err)
	if got := m.get("k"); got != "v" {
		t.Errorf("the key is %q", got)
	}
	must(m.intact())
}

// A Get that has left the object tells no value: what it has read may be memory of its process.
func TestGetOfClosedObject(t *testing.T) {
	for _, options := range []Options{{KeyBytes: 8, ValueBytes: 8}, {KeyBytes: 8, ValueBytes: 40}, {}} {
		m := newMapIn(t, 1<<20, options)
		key, value := make([]byte, 8), make([]byte, max(options.ValueBytes, 8))
		must(m.Set(background, key, value, DefaultLife))
		again, err := segment.OpenFile(m.s.File())
		must(err)
		defer again.Close()
		o, err := again.Open(Spec("m", "test", options))
		must(err)
		_, err = o.Release()
		must(err)
		left, err := Of(o)
		must(err)
		if _, ok, err := left.Get(nil, key); ok || !errors.Is(err, lock.ErrClosed) {
			t.Errorf("%+v: %v, error %v", options, ok, err)
		}
		if left.Words() {
			if _, ok, err := left.GetWord(0); ok || !errors.Is(err, lock.ErrClosed) {
				t.Errorf("a word: %v, error %v", ok, err)
			}
		}
		if _, ok, err := m.Get(nil, key); !ok || err != nil {
			t.Errorf("where the object is open: %v, error %v", ok, err)
		}
	}
}
