//go:build linux

package lock

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// A room is what the tests of this package have instead of a segment: a file with a
// process table, and cells of a cache line each behind it.
//
//	off   size  what
//	  0    4096  process table
//	4096  61440  cells
type room struct {
	path  string
	party *Party
	mem   []byte
}

const (
	roomBytes  = 1 << 16
	tableBytes = 4096
	cellBytes  = 64
)

// newRoom makes a room, and returns its path.
func newRoom(t testing.TB) string {
	t.Helper()
	path := filepath.Join(proctest.Dir(t), "room")
	if err := os.WriteFile(path, make([]byte, roomBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// enterRoom attaches this process to a room.
func enterRoom(path string) *room {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	must(err)
	memory, err := mapping.Map(f, roomBytes)
	must(err)
	mem := memory.Bytes()
	member, _, err := proctab.New(mem[:tableBytes], f, 0, memory).Attach()
	must(err)
	return &room{path: path, party: &Party{Member: member, Closer: wait.NewCloser(), Keep: memory}, mem: mem}
}

// leave detaches this process. The memory and the file stay for as long as the process lives.
func (r *room) leave() {
	r.party.Closer.Close()
	r.party.Member.Detach()
}

func (r *room) cell(n int) []byte {
	off := tableBytes + n*cellBytes
	return r.mem[off : off+cellBytes : off+cellBytes]
}

// mutex is the lock in cell n.
func (r *room) mutex(n int) *Mutex { return NewMutex(r.party, r.cell(n), wait.Adaptive) }

// visit is enterRoom for a test, which leaves at its end.
func visit(t testing.TB, path string) *room {
	t.Helper()
	r := enterRoom(path)
	t.Cleanup(r.leave)
	return r
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
