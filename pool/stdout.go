package pool

import (
	"io"
	"os"
	"sync"
)

// A serialWriter passes on one Write at a time of several processes.
type serialWriter struct {
	mu sync.Mutex
	to io.Writer
}

func (w *serialWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// outputFor is where the standard output of several processes goes that shall go to w. A file they
// share.
func outputFor(w io.Writer) io.Writer {
	if _, ok := w.(*os.File); ok || w == nil {
		return w
	}
	return &serialWriter{to: w}
}
