package main

import (
	"fmt"
	"io"
	"sync"
)

// trouble notes the files and directories that cannot be read: one line for each, and their number.
// It may be used by any number of goroutines.
type trouble struct {
	out io.Writer

	mu    sync.Mutex
	paths map[string]bool // guarded by mu
}

func newTrouble(out io.Writer) *trouble {
	return &trouble{out: out, paths: make(map[string]bool)}
}

// note reports a path, once. The error names it.
func (t *trouble) note(path string, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.paths[path] {
		t.paths[path] = true
		fmt.Fprintf(t.out, "wordcount: %v\n", err)
	}
}

// count is how many paths have been noted.
func (t *trouble) count() int64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	return int64(len(t.paths))
}
