//go:build linux

package segment

import (
	"hash/crc32"
	"math"
	"os"
	"testing"

	"github.com/shmkit/shmkit/internal/mapping"
)

// What a header claims costs its reader nothing: not the heap that is said to be real, not the
// entries, not regions for millions of objects in a file that is all holes.
func TestOpenTakesNoSpaceThatIsOnlyClaimed(t *testing.T) {
	for name, claim := range map[string]func(h *header, g *geometry){
		"heap":         func(h *header, g *geometry) { h.heapReal.Store(math.MaxUint64) },
		"part of heap": func(h *header, g *geometry) { h.heapReal.Store(20 << 20) },
		"entries":      func(h *header, g *geometry) { h.entriesReal.Store(math.MaxUint64) },
		"objects": func(h *header, g *geometry) {
			*g = geometry{slots: 4, maxObjects: maxObjects, size: 1 << 42}
			g.place()
		},
		"everything": func(h *header, g *geometry) {
			*g = geometry{slots: 1024, maxObjects: maxObjects, size: 1 << 42}
			g.place()
			h.heapReal.Store(math.MaxUint64)
			h.entriesReal.Store(math.MaxUint64)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := image(t, Config{Size: 32 << 20, Objects: 1 << 16, Processes: 4})
			h := headerIn(b)
			g, id, err := decode(b, int64(len(b)))
			if err != nil {
				t.Fatal(err)
			}
			claim(h, &g)
			g.encode(b, id)
			h.checksum = crc32.Checksum(b[:immutableBytes-4], castagnoli)
			path := freshPath(t)
			f, err := os.Create(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if err := f.Truncate(int64(g.size)); err != nil {
				t.Skip(err)
			}
			if _, err := f.WriteAt(b[:headerBytes], 0); err != nil {
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
