package list

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// Whatever another process writes over a List, no operation panics or hangs.
func FuzzScribble(f *testing.F) {
	for i := range uint64(40) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		s, err := segment.Create(filepath.Join(proctest.Dir(t), "s"), segment.Config{Size: 1 << 20, Objects: 16})
		must(err)
		defer s.Close()
		l := openIn(s)
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		e := make([]byte, size)
		for range 20 {
			l.Append(ctx, make([]byte, size*r.IntN(100)))
			at := 16 + r.IntN(20)*8 // all of the head but the lock
			w := []uint64{0, r.Uint64(), 1 << r.IntN(64), uint64(s.Size()) - 8, s.HeapStart() + uint64(r.IntN(4096))}[r.IntN(5)]
			binary.LittleEndian.PutUint64(l.o.Payload[at:], w)
			n := l.Len()
			for _, i := range []uint64{0, n / 2, n - 1, n, r.Uint64()} {
				l.At(i, e)
				l.Set(ctx, i, e)
			}
			for k := range uint(maxChunks + 1) {
				l.Chunk(k, n)
			}
			l.Truncate(ctx, r.Uint64N(50))
			if l.lock(ctx) == nil {
				err := l.mend()
				l.unlock(&err)
			}
		}
	})
}
