package shmkit

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
)

// inlinedCalls are calls on the way of a message, of a value and of a task, by the file of the type
// with a type parameter that makes them. The compiler inlines them where a program uses the type.
var inlinedCalls = []struct{ file, callee string }{
	{"queue/spsc.go", "spsc.(*Ring).HasRoom"},
	{"queue/spsc.go", "spsc.(*Ring).Begin"},
	{"queue/spsc.go", "spsc.(*Ring).HasMessages"},
	{"queue/spsc.go", "spsc.(*Ring).BeginGet"},
	{"queue/spsc.go", "ring.(*Cursor).Place"},
	{"queue/spsc_batch.go", "spsc.(*Ring).FetchAfter"},
	{"queue/queue_batch.go", "mpmc.(*Ring).Keep"},
	{"queue/broadcast_overwrite.go", "seqlock.(*Ring).Store"},
	{"queue/broadcast_overwrite.go", "seqlock.(*Ring).Holds"},
	{"queue/broadcast.go", "cast.(*Ring).HasRoom"},
	{"shm/value.go", "cpu.LoadFence"},
	{"shm/dict.go", "dict.(*Map).Words"},
	{"shm/var.go", "cell.(*Cell).Revision"},
	{"shm/list.go", "list.(*List).Lock"},
	{"pool/chunk.go", "task.ContentOf"},
	{"pool/apply.go", "task.ContentOf"},
}

// inlineProgram uses each type with a type parameter once.
const inlineProgram = `package main

import (
	"context"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

var double = pool.Define("double", func(_ context.Context, n uint16) (uint16, error) { return 2 * n, nil })

func main() {
	for _, used := range []any{
		(*queue.Queue[uint16])(nil), (*queue.SPSC[uint16])(nil), (*queue.Broadcast[uint16])(nil), (*queue.Reader[uint16])(nil),
		(*shm.Value[uint16])(nil), (*shm.Dict[uint16, uint16])(nil), (*shm.Var[uint16])(nil), (*shm.List[uint16])(nil),
		pool.Map[uint16, uint16], pool.Apply[uint16, uint16],
	} {
		println(used, double)
	}
}
`

// TestCallsAreInlined compiles a program that uses the types with type parameters, and looks for
// the calls that the compiler must have inlined in them.
func TestCallsAreInlined(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("release stores and fences are in assembly here, and what calls them is not inlined")
	}
	_, said := buildOverlay(t, map[string]string{"program/main.go": inlineProgram}, "-gcflags=-m")
	inlined := func(file, callee string) bool {
		for line := range strings.Lines(said) {
			at, what, _ := strings.Cut(line, ": inlining call to ")
			if strings.Contains(at, file+":") && strings.TrimSpace(what) == callee {
				return true
			}
		}
		return false
	}
	for _, c := range inlinedCalls {
		// The look also keeps the result of an older file from being taken from the cache.
		for _, path := range []string{c.file, filepath.Join(filepath.Dir(c.file), "inline.go")} {
			if _, err := os.Stat(path); err != nil {
				t.Error(err)
			}
		}
		if !inlined(c.file, c.callee) {
			t.Errorf("%s: a call of %s is not inlined in a program that uses the type: see the inline.go of the package, and the cost of the function by -gcflags=-m=2", c.file, c.callee)
		}
	}
}
