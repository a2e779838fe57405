//go:build crashtest

package crashpoint_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

const points = 5 // that the role "steps" passes

var (
	roleSteps  = proctest.Register("steps", steps)
	roleWrites = proctest.Register("writes", writes)
	roleCrowd  = proctest.Register("crowd", crowd)
)

// steps arms or stops at point args[1], and says a line before each of its points.
func steps(args []string) {
	n, _ := strconv.Atoi(args[1])
	crashpoint.Trace(func(name string) { proctest.Say("passes %s", name) })
	map[string]func(int){"arm": crashpoint.Arm, "stop": crashpoint.Stop}[args[0]](n)
	for i := 1; i <= points; i++ {
		proctest.Say("step %d", i)
		crashpoint.Here(fmt.Sprint("point", i))
	}
	proctest.Say("passed %d", crashpoint.Disarm())
	crashpoint.Here("after Disarm")
	crashpoint.Trace(nil)
	crashpoint.Here("after Trace")
}

// expectUntil expects what steps says up to and including its n-th point.
func expectUntil(child *proctest.Child, from, n int) {
	for i := from; i <= n; i++ {
		child.Expect(fmt.Sprint("step ", i))
		child.Expect(fmt.Sprint("passes point", i))
	}
}

func expectEnd(child *proctest.Child) {
	child.Expect(fmt.Sprint("passed ", points))
	child.Expect("passes after Disarm")
	child.WaitOK()
}

func TestArmKillsAtEachPoint(t *testing.T) {
	for n := 1; n <= points; n++ {
		child := proctest.Start(t, roleSteps, "arm", strconv.Itoa(n))
		expectUntil(child, 1, n)
		diedByKill(t, child.Wait())
	}
	for _, n := range []int{points + 1, 0, -1} {
		child := proctest.Start(t, roleSteps, "arm", strconv.Itoa(n))
		expectUntil(child, 1, points)
		expectEnd(child)
	}
}

func TestStopStandsAtEachPoint(t *testing.T) {
	for n := 1; n <= points; n++ {
		child := proctest.Start(t, roleSteps, "stop", strconv.Itoa(n))
		expectUntil(child, 1, n)
		child.WaitStopped()
		child.Signal(syscall.SIGCONT)
		expectUntil(child, n+1, points)
		expectEnd(child)
	}
	child := proctest.Start(t, roleSteps, "stop", "2")
	expectUntil(child, 1, 2)
	child.WaitStopped()
	diedByKill(t, child.Kill())
}

func diedByKill(t *testing.T, state *os.ProcessState) {
	t.Helper()
	if status := state.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != syscall.SIGKILL {
		t.Errorf("%v, want death by SIGKILL", state)
	}
}

// writes maps the file args[1] and writes to it before and behind the point that raises.
func writes(args []string) {
	page := mapFile(args[1])
	map[string]func(int){"arm": crashpoint.Arm, "stop": crashpoint.Stop}[args[0]](1)
	page[0] = 1
	crashpoint.Here("between the writes")
	page[1] = 1
}

func mapFile(path string) []byte {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CREAT|unix.O_CLOEXEC, 0o600)
	if err != nil {
		panic(err)
	}
	defer unix.Close(fd)
	if err := unix.Ftruncate(fd, 4096); err != nil {
		panic(err)
	}
	page, err := unix.Mmap(fd, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		panic(err)
	}
	return page
}

func TestNothingIsWrittenBehindThePoint(t *testing.T) {
	dir := proctest.Dir(t)
	for round := range 20 {
		for _, how := range []string{"arm", "stop"} {
			path := filepath.Join(dir, fmt.Sprint(how, round))
			page := mapFile(path)
			child := proctest.Start(t, roleWrites, how, path)
			if how == "stop" {
				child.WaitStopped()
			} else {
				diedByKill(t, child.Wait())
			}
			if page[0] != 1 || page[1] != 0 {
				t.Fatalf("%s: wrote %d before and %d behind the point", how, page[0], page[1])
			}
			if how == "stop" {
				child.Signal(syscall.SIGCONT)
				child.WaitOK()
				if page[1] != 1 {
					t.Fatal("did not go on behind the point")
				}
			}
			unix.Munmap(page)
		}
	}
}

// crowd passes points from many goroutines at once.
func crowd(args []string) {
	n, _ := strconv.Atoi(args[0])
	crashpoint.Arm(n)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 1000 {
				crashpoint.Here("crowd")
			}
		})
	}
	all.Wait()
	proctest.Say("passed %d", crashpoint.Disarm())
}

func TestManyGoroutines(t *testing.T) {
	for _, n := range []string{"1", "4000", "8000"} {
		diedByKill(t, proctest.Start(t, roleCrowd, n).Wait())
	}
	child := proctest.Start(t, roleCrowd, "8001")
	child.Expect("passed 8000")
	child.WaitOK()
}

func TestDisarmWithoutArm(t *testing.T) {
	crashpoint.Here("uncounted")
	if n := crashpoint.Disarm(); n != 0 {
		t.Errorf("Disarm returned %d", n)
	}
	crashpoint.Arm(0)
	crashpoint.Here("counted")
	crashpoint.Arm(0) // counts from zero again
	crashpoint.Here("counted again")
	if n := crashpoint.Disarm(); n != 1 {
		t.Errorf("Disarm returned %d after one point", n)
	}
}

func TestTraceNames(t *testing.T) {
	var names []string
	crashpoint.Trace(func(name string) { names = append(names, name) })
	crashpoint.Here("a")
	crashpoint.Here("b")
	crashpoint.Trace(nil)
	crashpoint.Here("c")
	if want := []string{"a", "b"}; !slices.Equal(names, want) {
		t.Errorf("traced %s", strings.Join(names, ", "))
	}
}

func BenchmarkHereArmed(b *testing.B) {
	crashpoint.Arm(0)
	defer crashpoint.Disarm()
	for b.Loop() {
		crashpoint.Here("bench")
	}
}
