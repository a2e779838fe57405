package proctest

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"
)

// settleRounds is how often cleanups of unreachable handles get the chance to run, for some 10 ms
// each.
const settleRounds = 200

// checks is what Main looks at after the tests.
type checks struct {
	descriptors map[string]string // those open before the tests: number to what it is
	directories []string          // those of a process that had the same id, and was killed
	goroutines  bool
	ignore      []goleak.Option
}

func newChecks(options []Option) *checks {
	c := &checks{}
	for _, option := range options {
		option(c)
	}
	openPoller()
	c.descriptors, c.directories = descriptors(), directories()
	return c
}

// openPoller has the runtime open the descriptors of its network poller, which it then keeps.
func openPoller() {
	if r, w, err := os.Pipe(); err == nil {
		r.Close()
		w.Close()
	}
}

// leftovers returns a line for each thing that the tests left behind.
func (c *checks) leftovers() []string {
	left := leftChildren()
	left = append(left, c.leftDescriptors()...)
	for _, dir := range directories() {
		if !slices.Contains(c.directories, dir) {
			left = append(left, "the directory "+dir)
		}
	}
	if c.goroutines {
		ignore := append([]goleak.Option{goleak.IgnoreAnyFunction(startsFunction)}, c.ignore...)
		if err := LeftGoroutines(ignore...); err != nil {
			left = append(left, err.Error())
		}
	}
	return left
}

// leakRounds is how often goroutines are looked for, for half a second each time.
const leakRounds = 10

// LeftGoroutines returns an error with the stacks of the goroutines that are left, but for those
// which ignore names. It waits for some seconds until none is: goleak gives up after half a second,
// within which goroutines of a slow and busy machine need not have ended.
func LeftGoroutines(ignore ...goleak.Option) (err error) {
	for range leakRounds {
		if err = goleak.Find(ignore...); err == nil {
			break
		}
	}
	return err
}

// directories are those that [Dir] gives to a process with this id.
func directories() []string {
	// the pattern is well-formed
	dirs, _ := filepath.Glob(filepath.Join(memoryDir, dirPrefix()+"*"))
	return dirs
}

// startsFunction is the goroutine which stays on purpose.
const startsFunction = "github.com/shmkit/shmkit/internal/proctest.serveStarts"

// leftChildren reports at most one child: the kernel does not list them.
func leftChildren() []string {
	var status unix.WaitStatus
	switch pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil); {
	case err == unix.ECHILD:
		return nil
	case err != nil:
		return []string{"an unknown number of children: " + err.Error()}
	case pid == 0:
		return []string{"a running child"}
	default:
		return []string{fmt.Sprintf("child %d, which ended (status %#x) and was not waited for", pid, uint32(status))}
	}
}

// leftDescriptors reports descriptors that were not open before the tests. A file that only a
// cleanup of the garbage collector closes gets the time for it.
func (c *checks) leftDescriptors() []string {
	var left []string
	for range settleRounds {
		left = left[:0]
		for fd, target := range descriptors() {
			if c.descriptors[fd] != target {
				left = append(left, fmt.Sprintf("descriptor %s, %s", fd, target))
			}
		}
		if len(left) == 0 {
			break
		}
		runtime.GC()
		Stagger(20 * time.Millisecond) // nothing tells when cleanups have run
	}
	return left
}

// descriptors returns what this process has open, or nothing where the system does not tell.
func descriptors() map[string]string {
	const table = "/proc/self/fd"
	entries, err := os.ReadDir(table)
	if err != nil {
		return nil
	}
	open := make(map[string]string)
	for _, entry := range entries {
		// The descriptor that read the table is closed by now, and has no target.
		if target, err := os.Readlink(filepath.Join(table, entry.Name())); err == nil {
			open[entry.Name()] = target
		}
	}
	return open
}
