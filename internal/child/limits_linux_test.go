package child

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/procfs"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/race"
	"golang.org/x/sys/unix"
)

var limited = proctest.Register("limited", func(args []string) {
	for range 4 { // so that there are more threads than at the start
		go func() { runtime.LockOSThread(); proctest.Forever() }()
	}
	// for the threads to start; without them the test shows less
	proctest.Stagger(20 * time.Millisecond)
	if err := ApplyLimits(); err != nil {
		proctest.Say("%v", err)
		return
	}
	threads, err := procfs.AllThreads(os.Getpid())
	if err != nil {
		panic(err)
	}
	nices, cpus := map[int]int{}, map[unix.CPUSet]int{}
	for _, thread := range threads {
		stat, err := thread.Stat()
		if err != nil {
			continue // ended
		}
		nices[stat.Nice]++
		var set unix.CPUSet
		if unix.SchedGetaffinity(thread.PID, &set) == nil {
			cpus[set]++
		}
	}
	var of0 unix.CPUSet
	of0.Set(0)
	all := len(cpus) == 1 && cpus[of0] > 0
	niceness := "several"
	for n := range nices {
		if len(nices) == 1 {
			niceness = fmt.Sprint(n)
		}
	}
	proctest.Say("nice %s, only on processor 0: %v, GOMAXPROCS %d, inherited %q", niceness, all, runtime.GOMAXPROCS(0), os.Getenv(limitsEnv))
})

// Limits go for all threads, and what cannot be applied is reported.
func TestLimits(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	for _, c := range []struct {
		limits Limits
		want   string
	}{
		{Limits{Nice: 7, CPUs: []int{0}}, `nice 7, only on processor 0: true, GOMAXPROCS 1, inherited ""`},
		{Limits{Nice: 20}, "niceness 20"},
		{Limits{CPUs: []int{1023}}, "processors [1023]"},
		{Limits{CPUs: []int{0, 1023}}, "processors [0 1023]"},
		{Limits{CPUs: []int{1024}}, "processor 1024"},
		{Limits{CPUs: []int{-1}}, "processor -1"},
		{Limits{Memory: 1 << 20}, "limit memory to 1048576 bytes: this process has"},
	} {
		p, talk := converse(t, in(limited, Spec{Limits: c.limits}))
		if got := talk.line(); !strings.Contains(got, c.want) {
			t.Errorf("%+v: %s", c.limits, got)
		}
		wait(t, p)
	}
}

var hoards = proctest.Register("hoards", func([]string) {
	if err := ApplyLimits(); err != nil {
		panic(err)
	}
	var kept [][]byte
	for i := range 64 {
		b := make([]byte, 8<<20)
		for j := 0; j < len(b); j += 4096 {
			b[j] = 1
		}
		if i < 8 {
			kept = append(kept, b) // garbage and all it would be twice the limit
		}
	}
	proctest.Say("garbage is collected, %d MiB kept", len(kept)*8)
	for {
		kept = append(kept, make([]byte, 8<<20))
		clear(kept[len(kept)-1])
	}
})

func TestMemoryLimit(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector has more private memory than any limit")
	}
	p, talk := converse(t, in(hoards, Spec{Limits: Limits{Memory: 256 << 20}, Stderr: &strings.Builder{}}))
	if got := talk.line(); got != "garbage is collected, 64 MiB kept" {
		t.Error(got)
	}
	if exit := wait(t, p); exit.Code != 2 {
		t.Error(exit)
	}
}

var garbageLimits = proctest.Register("garbage limits", func([]string) { proctest.Say("%v", ApplyLimits()) })

func TestGarbageLimits(t *testing.T) {
	c := proctest.Command(t, garbageLimits)
	c.Cmd.Env = append(c.Cmd.Env, limitsEnv+"={")
	c.Start()
	if got := c.Line(); !strings.Contains(got, limitsEnv) {
		t.Error(got)
	}
	c.WaitOK()
}

var limitedBelow = proctest.Register("limited below", func([]string) {
	const hard = 1 << 30
	limit := unix.Rlimit{Cur: hard, Max: hard}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		panic(err)
	}
	runtime.LockOSThread()
	dropCapability(unix.CAP_SYS_RESOURCE) // with it a process may raise the limit
	err := LimitMemory(2 * hard)
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &limit); err != nil {
		panic(err)
	}
	proctest.Say("%v, %d", err, limit.Cur>>30)
})

// dropCapability takes a capability from this thread, to which the caller is locked.
func dropCapability(number uint) {
	head := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var data [2]unix.CapUserData
	if err := unix.Capget(&head, &data[0]); err != nil {
		panic(err)
	}
	data[number/32].Effective &^= 1 << (number % 32)
	data[number/32].Permitted &^= 1 << (number % 32)
	if err := unix.Capset(&head, &data[0]); err != nil {
		panic(err)
	}
}

// A hard limit of the system that is lower than the one asked for holds, and is no error.
func TestLimitMemoryAboveHardLimit(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector has more private memory than any limit")
	}
	c := proctest.Start(t, limitedBelow)
	c.Expect("<nil>, 1")
	c.WaitOK()
}
