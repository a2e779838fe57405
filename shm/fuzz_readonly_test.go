//go:build linux

package shm_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// FuzzScribbleReadOnly looks at the objects of a segment that is open for reading only, while bytes
// of it are overwritten between the looks. No look faults, panics or lasts, and none fails in a way
// that is not documented; wrong values are right.
func FuzzScribbleReadOnly(f *testing.F) {
	seed(f)
	v, dog := newVictimOf(f, fillLooks), newWatchdog(f)
	f.Fuzz(func(t *testing.T, program []byte) {
		dog.start()
		defer dog.stop()
		v.restore()
		seg := need(shm.OpenReadOnly(v.path))
		looks := make([]func() (int64, error), len(lookKinds))
		for _, s := range stepsIn(program) {
			s.overwrite(v, 0)
			kind := lookKinds[s.argument()%len(lookKinds)]
			look := &looks[s.argument()%len(lookKinds)]
			if *look == nil || s[0]%8 == 0 {
				opened, err := kind.open(seg, kind.name)
				known(t, "open "+kind.name, err)
				if err != nil {
					continue
				}
				*look = opened
			}
			_, err := (*look)()
			known(t, kind.name, err)
		}
		for name, kind := range seg.Objects() {
			if len(name) > 255 || kind == "" {
				t.Fatalf("object %q, kind %q", name, kind)
			}
		}
		if _, err := shm.NewInt64(seg, "new", 0); !errors.Is(err, fs.ErrPermission) {
			known(t, "make", err)
			if err == nil {
				t.Fatal("an object was made")
			}
		}
		known(t, "close", seg.Close())
	})
}
