//go:build linux

package segment

import (
	"errors"
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/mapping"
)

// Entries that were never reserved are holes of the file: a process that touches one on a full file
// system dies. So an overwritten number of an entry must not lead there.
func TestDamageLeadsToNoHole(t *testing.T) {
	const hole = 1<<16 - 5 // the number of an entry that was never used
	for name, c := range map[string]struct {
		damage func(s *Segment)
		use    func(s *Segment) error
	}{
		"free list": {
			func(s *Segment) { s.dir.Header().FreeEntry = hole },
			func(s *Segment) error { _, _, err := s.New(rawSpec("new", 8)); return err },
		},
		"ring": {
			func(s *Segment) { s.dir.Header().LastRetired = hole },
			func(s *Segment) error { return s.Remove("a") },
		},
		"first of the ring": {
			func(s *Segment) { s.dir.Entry(s.dir.Header().LastRetired - 1).NextRetired = hole },
			func(s *Segment) error { return s.Remove("a") },
		},
		"chain": {
			func(s *Segment) { s.dir.Bucket(directory.HashOf("a") & (s.geo.MaxObjects - 1)).Store(hole) },
			func(s *Segment) error { return s.Remove("a") },
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := fresh(t, Config{Size: 32 << 20, Objects: 1 << 16, Processes: 4})
			other := again(t, s)
			made(t, s, "a", 8)
			made(t, s, "b", 8)
			open := made(t, other, "b", 8)
			if err := s.Remove("b"); err != nil { // it is retired: the other has it open
				t.Fatal(err)
			}
			before := realBytes(t, s)
			c.damage(s)
			if err := c.use(s); err != nil && !errors.Is(err, ErrCorrupt) {
				t.Error(err)
			}
			s.Check()
			if after := realBytes(t, s); after != before {
				t.Errorf("%d bytes of the file were real, now %d are", before, after)
			}
			runtime.KeepAlive(open)
		})
	}
}

func realBytes(t *testing.T, s *Segment) int64 {
	t.Helper()
	st, err := mapping.Stat(s.file)
	if err != nil {
		t.Fatal(err)
	}
	return st.RealBytes
}
