//go:build linux

// Package locktest is what the tests of internal/lock and of the packages below it share.
package locktest

import (
	"context"
	"os"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/wait"
)

// Background is the context of waits that end by themselves.
var Background = context.Background()

// A Room stands for a segment: a file with a process table, and cells of a cache line each behind
// it. This package does not import internal/lock, because the tests of that package use it: they
// make a lock.Party of the fields.
//
//	off   size  what
//	  0    4096  process table
//	4096  61440  cells
type Room struct {
	Path   string
	Member *proctab.Member
	Closer *wait.Closer
	Keep   any
	mem    []byte
}

const (
	roomBytes  = 1 << 16
	tableBytes = 4096
	cellBytes  = 64
)

// New makes a room, and returns its path.
func New(t testing.TB) string {
	t.Helper()
	path := filepath.Join(proctest.Dir(t), "room")
	if err := os.WriteFile(path, make([]byte, roomBytes), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Enter attaches this process to a room.
func Enter(path string) *Room {
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	Must(err)
	memory, err := mapping.Map(f, roomBytes)
	Must(err)
	mem := memory.Bytes()
	member, _, err := proctab.New(mem[:tableBytes], f, 0, memory).Attach()
	Must(err)
	return &Room{Path: path, Member: member, Closer: wait.NewCloser(), Keep: memory, mem: mem}
}

// Visit is Enter for a test, which leaves at its end.
func Visit(t testing.TB, path string) *Room {
	t.Helper()
	r := Enter(path)
	t.Cleanup(r.Leave)
	return r
}

// Leave detaches this process. The memory and the file stay for as long as the process lives.
func (r *Room) Leave() {
	r.Closer.Close()
	r.Member.Detach()
}

// Cell is the n-th cell.
func (r *Room) Cell(n int) []byte { return r.From(n)[:cellBytes:cellBytes] }

// From is the memory from the n-th cell on.
func (r *Room) From(n int) []byte { return r.mem[tableBytes+n*cellBytes:] }

// Must panics when err is not nil.
func Must(err error) {
	if err != nil {
		panic(err)
	}
}

// End is the last n bytes of the memory, behind all cells that a test uses.
func (r *Room) End(n int) []byte { return r.mem[len(r.mem)-n:] }
