package manager

import (
	"context"
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// Mallocs is how many allocations the manager's process has made.
var Mallocs = Method(Desk, "mallocs", func(*desk, context.Context, struct{}) (uint64, error) { return mallocs(), nil })

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// A call with an argument and a result of fixed size allocates nothing, at either side: there are
// rounds of calls in which next to nothing is allocated. A method that lost its processor for once
// counts as slow, and the next calls of it run in goroutines of their own.
func TestCallsAllocateNothing(t *testing.T) {
	const calls, few = 500, 50
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, start(t, o))
			theirs := func() uint64 {
				n, err := Mallocs.Call(background, d, struct{}{})
				if err != nil {
					t.Fatal(err)
				}
				return n
			}
			proctest.Eventually(t, proctest.Hang, func() bool {
				there, here := theirs(), mallocs()
				for range calls {
					if n, err := Add.Call(background, d, 1); err != nil || n != 2 {
						t.Fatal(n, err)
					}
				}
				here = mallocs() - here
				there = theirs() - there
				t.Logf("%d calls: %d allocations in the client, %d in the server", calls, here, there)
				return here < few && there < few
			}, "a round of calls without allocations")
		})
	}
}
