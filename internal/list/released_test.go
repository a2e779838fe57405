package list

import (
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// A view of an object that this process has just closed, while the memory is still that of all
// processes, changes nothing there.
func TestViewOfClosedObject(t *testing.T) {
	s, err := segment.Create(filepath.Join(proctest.Dir(t), "s"), segment.Config{Size: 1 << 20, Objects: 16})
	must(err)
	defer s.Close()
	l := openIn(s)
	_, err = l.Append(background, make([]byte, size))
	must(err)
	again, err := segment.OpenFile(s.File())
	must(err)
	defer again.Close()
	o, err := again.Open(Spec("l", "", size))
	must(err)
	_, err = o.Release()
	must(err)
	_, err = Of(o, size)
	must(err)
	if n := l.Len(); n != 1 {
		t.Errorf("it has %d elements", n)
	}
}
