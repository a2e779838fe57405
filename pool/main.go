package pool

import (
	"fmt"
	"os"

	"github.com/shmkit/shmkit/internal/child"
	"github.com/shmkit/shmkit/internal/event"
)

// Main makes this process a worker or a Process if it was started as one: then it runs tasks and
// never returns. In any other process it returns at once. Call it first in main, and first in
// TestMain.
func Main() {
	if err := event.Inherit(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	child.Main()
}
