package cell

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

// Whatever another process writes over a Var, no operation panics or hangs.
func FuzzScribble(f *testing.F) {
	for i := range uint64(40) {
		f.Add(i)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 3))
		s, err := segment.Create(filepath.Join(proctest.Dir(t), "s"), segment.Config{Size: 1 << 20, Objects: 16})
		must(err)
		defer s.Close()
		c := openIn(s, valueOf('a', 20))
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		for range 20 {
			c.StoreAfter(ctx, Any, valueOf('b', r.IntN(2000)))
			at := 16 + r.IntN(14)*8 // all of the head but the lock
			w := []uint64{0, r.Uint64(), 1 << r.IntN(64), uint64(s.Size()) - 8, s.HeapStart() + uint64(r.IntN(4096))}[r.IntN(5)]
			binary.LittleEndian.PutUint64(c.o.Payload[at:], w)
			c.Read(nil)
			c.StoreAfter(ctx, c.Revision(), valueOf('c', r.IntN(2000)))
			if c.lock(ctx) == nil {
				err := c.mend()
				c.unlock(&err)
			}
		}
	})
}
