//go:build linux

package segment

import (
	"math"
	"os"
	"testing"

	"github.com/shmkit/shmkit/internal/directory"
	"github.com/shmkit/shmkit/internal/mapping"
)

// What a header claims costs its reader nothing: not the heap that is said to be real, not the
// entries, not regions for millions of objects in a file that is all holes.
func TestOpenTakesNoSpaceThatIsOnlyClaimed(t *testing.T) {
	for name, claim := range map[string]func(h *directory.Header, g *directory.Geometry){
		"heap":         func(h *directory.Header, g *directory.Geometry) { h.HeapReal.Store(math.MaxUint64) },
		"part of heap": func(h *directory.Header, g *directory.Geometry) { h.HeapReal.Store(20 << 20) },
		"entries":      func(h *directory.Header, g *directory.Geometry) { h.EntriesReal.Store(math.MaxUint64) },
		"objects": func(h *directory.Header, g *directory.Geometry) {
			*g = planned(t, 1<<42, directory.MaxObjects, 4)
		},
		"everything": func(h *directory.Header, g *directory.Geometry) {
			*g = planned(t, 1<<42, directory.MaxObjects, 1024)
			h.HeapReal.Store(math.MaxUint64)
			h.EntriesReal.Store(math.MaxUint64)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := image(t, Config{Size: 32 << 20, Objects: 1 << 16, Processes: 4})
			h := directory.HeaderIn(b)
			g, id, err := directory.Decode(b, int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			claim(h, &g)
			g.Encode(b, id)
			sign(b)
			path := freshPath(t)
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Truncate(int64(g.Size)); err != nil {
				t.Skip(err)
			}
			if _, err := f.WriteAt(b[:directory.HeaderBytes], 0); err != nil {
				t.Fatal(err)
			}
			_, err = Open(path)
			wantError(t, err, ErrFormat, path, "--sparse=never")
			st, err := mapping.Stat(f)
			if err != nil || st.RealBytes > refillFloor {
				t.Errorf("%d bytes are real, %v", st.RealBytes, err)
			}
		})
	}
}

func planned(t *testing.T, size int64, objects, processes int) directory.Geometry {
	t.Helper()
	g, err := directory.Plan(size, objects, processes)
	if err != nil {
		t.Fatal(err)
	}
	return g
}
