package manager

import (
	"context"
	"runtime"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
)

// Mallocs is how many allocations the manager's process has made.
var Mallocs = Method(Desk, "mallocs", func(*desk, context.Context, struct{}) (uint64, error) { return mallocs(), nil })

func mallocs() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Mallocs
}

// Dawdle takes longer than a method that runs on the goroutine which reads the connection.
var Dawdle = Method(Desk, "dawdle", func(_ *desk, _ context.Context, n int64) (int64, error) {
	//clock: the server measures how long it takes
	for begun := time.Now(); time.Since(begun) < 2*quick; {
	}
	return n + 1, nil
})

// A call with an argument and a result of fixed size allocates nothing, at either side, whether it
// runs on the goroutine that reads or in one of its own. The runtime itself allocates now and then,
// as for the first goroutines: there are rounds of calls in which next to nothing is allocated.
func TestCallsAllocateNothing(t *testing.T) {
	const calls, few = 500, 50
	if race.Enabled {
		t.Skip("the detector makes pools forget")
	}
	for name, o := range addresses(t) {
		for method, call := range map[string]*Call[*desk, int64, int64]{"quick": Add, "slow": Dawdle} {
			t.Run(name+"/"+method, func(t *testing.T) {
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
						if n, err := call.Call(background, d, 1); err != nil || n != 2 {
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
}
