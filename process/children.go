package process

import (
	"context"
	"slices"
	"sync"
)

// children are the processes that this one has started and that have not ended, in the order of
// their start.
var (
	childrenMu sync.Mutex
	children   []*Process
)

func adopt(p *Process) {
	childrenMu.Lock()
	defer childrenMu.Unlock()
	children = append(children, p)
}

func disown(p *Process) {
	childrenMu.Lock()
	defer childrenMu.Unlock()
	children = slices.DeleteFunc(children, func(c *Process) bool { return c == p })
}

// Children are the processes that this one has started and that have not ended, in the order of
// their start. Workers of pools are not among them.
func Children() []*Process {
	childrenMu.Lock()
	defer childrenMu.Unlock()
	return slices.Clone(children)
}

// Shutdown is for the end of main: it terminates the daemons, kills those that are there half a
// second later, and then waits until all others have ended, or ctx does. What ctx leaves running
// goes on.
//
// A [Process] does the same by itself when its task has returned. A program that ends without it,
// or in any other way, leaves it to the daemons to notice.
//
// Errors: that of ctx.
func Shutdown(ctx context.Context) error {
	active := Children()
	endDaemons(active)
	for _, p := range active {
		if err := p.Join(ctx); err != nil {
			return err
		}
	}
	return nil
}

// endDaemons terminates the daemons among the processes, and kills those that do not end of it.
func endDaemons(active []*Process) {
	var daemons []*Process
	for _, p := range active {
		if p.Daemon() {
			daemons = append(daemons, p)
			p.Terminate(daemonGrace)
		}
	}
	for _, p := range daemons {
		<-p.ended
	}
}
