package dict

import (
	"testing"

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
