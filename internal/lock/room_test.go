//go:build linux

package lock

import (
	"testing"

	"github.com/shmkit/shmkit/internal/lock/locktest"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// hangs is how long a test waits for an event before it says that the event does not come.
const hangs = proctest.Hang

// A room is a [locktest.Room] with a party that uses its locks.
type room struct {
	*locktest.Room
	party *Party
}

func newRoom(t testing.TB) string { return locktest.New(t) }

func enterRoom(path string) *room { return inRoom(locktest.Enter(path)) }

// visit is enterRoom for a test, which leaves at its end.
func visit(t testing.TB, path string) *room {
	t.Helper()
	return inRoom(locktest.Visit(t, path))
}

func inRoom(r *locktest.Room) *room {
	return &room{r, &Party{Member: r.Member, Closer: r.Closer, Keep: r.Keep}}
}

// mutex is the lock in cell n.
func (r *room) mutex(n int) *Mutex { return NewMutex(r.party, r.Cell(n), wait.Adaptive) }
