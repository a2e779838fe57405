package child

import (
	"fmt"
	"os"
	"sync"
)

// lifelineEnv tells a child which of its descriptors is the lifeline of its parent.
const lifelineEnv = "SHMKIT_LIFELINE"

// lifeline is a pipe of which this process alone has the end for writing, and each child has the
// end for reading: it is at its end when this process has ended, and also when it runs another
// program (execve), which a pidfd does not tell. The pipe is there as long as there are children.
var lifeline struct {
	mu       sync.Mutex
	children int
	r, w     *os.File
}

// holdLifeline returns the end for a child that is to be started. It is given back with
// dropLifeline when the child has ended, or was not started.
func holdLifeline() (*os.File, error) {
	l := &lifeline
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.children == 0 {
		var err error
		if l.r, l.w, err = os.Pipe(); err != nil {
			return nil, fmt.Errorf("pipe that a new process knows this one by: %w", err)
		}
	}
	l.children++
	return l.r, nil
}

func dropLifeline() {
	l := &lifeline
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.children--; l.children == 0 {
		l.r.Close()
		l.w.Close()
	}
}
