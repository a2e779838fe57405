package cluster

import (
	"context"
	"errors"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/internal/proctest"
)

// short is the shortest lease: a test that waits for the end of one waits for that long.
const short = time.Second

// patient are the hooks of a caller that does not take a host without a processor for a lost one:
// of tests in which none is lost.
var patient = hooks{life: time.Minute}

// Each test kills at one point of the protocol: see the table of deaths in the documentation.

func TestHostDeathAtEachPointLosesAndDoublesNothing(t *testing.T) {
	for _, point := range []string{"received", "told", "starting", "finished", "sent", "confirmed"} {
		t.Run(point, func(t *testing.T) {
			s := startServer(t, ServerOptions{})
			c := startCaller(t, s.Addr(), Options{Lease: short})
			victim := startHost(t, hostArgs{Server: s.Addr(), Name: "victim", Kill: point, Workers: 2})
			task := "echo"
			if point == "told" { // it is told of tasks that have not ended soon
				task = "hold"
			}
			ids := c.submit(20, task)
			if state := victim.Wait(); state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
				t.Fatalf("the host has ended otherwise: %v", state)
			}
			heir := startHost(t, hostArgs{Server: s.Addr(), Name: "heir", Workers: 2})
			heir.Send("go")
			c.checks(ids)
			c.isEmpty()
			heir.Kill()
		})
	}
}

func TestResultOfHostThatDiesBeforeItIsConfirmedIsNotRunAgain(t *testing.T) {
	for _, point := range []string{"sent", "confirmed"} {
		t.Run(point, func(t *testing.T) {
			s := startServer(t, ServerOptions{})
			c := startCaller(t, s.Addr(), Options{Lease: short})
			victim := startHost(t, hostArgs{Server: s.Addr(), Name: "victim", Kill: point})
			ids := c.submit(1, "echo")
			victim.Wait()
			c.checks(ids)
			heir := startHost(t, hostArgs{Server: s.Addr(), Name: "heir", Say: true})
			c.isEmpty() // the heir has asked, and dropped it
			next := c.submit(1, "hold")
			heir.Expect("runs hold") // and nothing before it
			heir.Send("go")
			c.checks(next)
			heir.Kill()
		})
	}
}

func TestTasksThatWaitAtDeadHostRunOnAnother(t *testing.T) {
	s := startServer(t, ServerOptions{})
	// so the lease is not what gives them back
	c := startCaller(t, s.Addr(), Options{Lease: time.Hour})
	victim := startHost(t, hostArgs{Server: s.Addr(), Name: "victim", Ahead: 1})
	held := c.submit(1, "hold")
	ids := c.submit(1, "echo") // behind the one that runs
	c.holder(held[0])
	c.holder(ids[0])
	heir := startHost(t, hostArgs{Server: s.Addr(), Name: "heir", Workers: 4})
	victim.Kill()
	if name := c.holderNot(held[0], "victim"); name != "heir" {
		t.Errorf("host %s has the task that ran", name)
	}
	heir.Send("go")
	c.checks(ids)
	c.checks(held)
	// the other one is lost, too, where it gets no processor for a while
	if c.counts.lost.Load() == 0 || c.counts.givenBack.Load() == 0 {
		t.Errorf("%d hosts lost, %d tasks given back", c.counts.lost.Load(), c.counts.givenBack.Load())
	}
	heir.Kill()
}

func TestHostThatIsStoppedForLongerThanItsLeaseRunsTaskTwice(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Lease: short})
	victim := startHost(t, hostArgs{Server: s.Addr(), Name: "victim"})
	ids := c.submit(1, "hold")
	c.holder(ids[0])
	victim.Signal(syscall.SIGSTOP)
	victim.WaitStopped()
	heir := startHost(t, hostArgs{Server: s.Addr(), Name: "heir"})
	c.holderNot(ids[0], "victim")
	heir.Send("go")
	c.checks(ids)
	victim.Send("go")
	victim.Signal(syscall.SIGCONT)
	c.isEmpty()
	c.checks(c.submit(10, "echo"))
	c.checks(ids) // still once
	victim.Kill()
	heir.Kill()
}

// A host that has read ahead lets others have what waits for a long task, and is not blamed for it.
func TestTasksDoNotWaitForLongOneWhereOthersHaveRoom(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Lease: time.Hour, HostAttempts: 1, hooks: patient})
	first := startHost(t, hostArgs{Server: s.Addr(), Name: "first"})
	c.checks(c.submit(100, "echo")) // so it reads ahead
	held := c.submit(1, "hold")
	ids := c.submit(60, "echo")
	c.holder(held[0])
	other := startHost(t, hostArgs{Server: s.Addr(), Name: "other"})
	c.checks(ids)
	if name := c.holder(held[0]); name != "first" {
		t.Errorf("host %s has the long task", name)
	}
	first.Send("go")
	c.checks(held)
	c.isEmpty()
	first.Kill()
	other.Kill()
}

func TestTaskThatKillsItsHostsIsQuarantined(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Lease: short, HostAttempts: 2})
	id := c.submit(1, "kill")[0]
	has := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		return len(c.results[id]) > 0
	}
	deaths := 0
	for ; !has(); deaths++ {
		victim := startHost(t, hostArgs{Server: s.Addr(), Name: "victim", Doomed: true})
		proctest.Eventually(t, proctest.Hang, func() bool { return has() || victim.Ended() }, "the task does not come to the host")
		victim.Kill()
	}
	// of a death right after the task has come the caller may have heard nothing, once
	if deaths > 4 {
		t.Errorf("the task has killed %d hosts", deaths)
	}
	var lost *HostLostError
	if err := c.errOf(id); !errors.As(err, &lost) || !slices.Equal(lost.Hosts, []string{"victim", "victim"}) || lost.Task != "kill" {
		t.Errorf("the error is %v", err)
	}
	third := startHost(t, hostArgs{Server: s.Addr(), Name: "third"})
	c.checks(c.submit(5, "echo"))
	c.isEmpty()
	third.Kill()
}

func TestHostFinishesAndGivesBackAtSIGTERM(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Lease: time.Hour, hooks: patient})
	leaver := startHost(t, hostArgs{Server: s.Addr(), Name: "leaver", Tell: "draining", Ahead: 2})
	held := c.submit(1, "hold")
	ids := c.submit(3, "echo")
	c.holder(held[0])
	leaver.Signal(syscall.SIGTERM)
	leaver.Expect("at draining")
	heir := startHost(t, hostArgs{Server: s.Addr(), Name: "heir"})
	leaver.Send("go")
	c.checks(ids)
	c.checks(held)
	leaver.WaitOK()
	c.isEmpty()
	if n := c.counts.lost.Load(); n > 0 {
		t.Errorf("%d hosts count as lost", n)
	}
	heir.Kill()
}

// What a host has finished when its caller drops the rest keeps its result, which may be on its
// way.
func TestDropKeepsResultsThatAreOnTheirWay(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Lease: time.Hour})
	results := slices.IndexFunc(c.subs, func(s *nats.Subscription) bool { return s.Subject == wire.Prefix+"r."+c.id })
	if err := c.subs[results].Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	h := startHost(t, hostArgs{Server: s.Addr(), Name: "host", Tell: "sent"})
	c.hears("host")
	ids := c.submit(1, "echo")
	h.Expect("at sent")
	proctest.Eventually(t, proctest.Hang, func() bool {
		c.caller.mu.Lock()
		defer c.caller.mu.Unlock()
		return c.entries[ids[0]].acked
	}, "the server has the task")
	c.drop()
	var err error
	if c.subs[results], err = c.nc.Subscribe(wire.Prefix+"r."+c.id, c.caller.results); err != nil {
		t.Fatal(err)
	}
	c.checks(ids) // the host sends it again
	h.Kill()
}

func TestCancelReachesTaskWhereverItIs(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Lease: time.Hour})
	queued := c.submit(1, "echo")[0] // no host is there
	c.Cancel(queued)
	if err := c.errOf(queued); !errors.Is(err, context.Canceled) {
		t.Errorf("in the queue: %v", err)
	}
	c.isEmpty()
	h := startHost(t, hostArgs{Server: s.Addr(), Name: "host", Ahead: 1})
	runs, waits := c.submit(1, "hold")[0], c.submit(1, "echo")[0]
	c.holder(runs)
	c.holder(waits)
	c.Cancel(waits)
	if err := c.errOf(waits); !errors.Is(err, context.Canceled) {
		t.Errorf("waiting at the host: %v", err)
	}
	c.Cancel(runs)
	if err := c.errOf(runs); !errors.Is(err, context.Canceled) {
		t.Errorf("running: %v", err)
	}
	c.isEmpty()
	h.Kill()
}

func TestLargeArgumentAndResultTravelOnDemand(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{})
	h := startHost(t, hostArgs{Server: s.Addr(), Name: "host"})
	for _, size := range []int{512 << 10, 512<<10 + 1, 5<<20 + 3} {
		arg := make([]byte, size)
		for i := range arg {
			arg[i] = byte(i * 7 >> 3)
		}
		c.next++
		if err := c.Submit(engine.Call{ID: c.next, Task: "echo", Signature: 1, Count: 1, Arg: arg}); err != nil {
			t.Fatal(err)
		}
		c.has([]uint64{c.next})
		c.mu.Lock()
		if r := c.results[c.next]; len(r) != 1 || r[0].Err != nil || !slices.Equal(r[0].Bytes, arg) {
			t.Errorf("%d bytes: %d results, %d bytes, %v", size, len(r), len(r[0].Bytes), r[0].Err)
		}
		c.mu.Unlock()
	}
	c.isEmpty()
	h.Kill()
}

func TestTaskGoesToHostThatKnowsIt(t *testing.T) {
	s := startServer(t, ServerOptions{})
	c := startCaller(t, s.Addr(), Options{Lease: time.Hour, hooks: patient})
	early := c.submit(1, "new") // no host is there, so that any may take it
	old := startHost(t, hostArgs{Server: s.Addr(), Name: "old", Tasks: []string{"echo"}})
	var unknown *UnknownTaskError
	c.hears("old")
	if err := c.errOf(early[0]); !errors.As(err, &unknown) || !slices.Equal(unknown.Hosts, []string{"old"}) {
		t.Errorf("the host that has taken it does not know it: %v", err)
	}
	err := c.Submit(engine.Call{ID: 1000, Task: "new", Signature: 1, Count: 1})
	if !errors.As(err, &unknown) || unknown.Differs {
		t.Errorf("no host knows the task: %v", err)
	}
	err = c.Submit(engine.Call{ID: 1001, Task: "echo", Signature: 2, Count: 1})
	if !errors.As(err, &unknown) || !unknown.Differs {
		t.Errorf("the task has other types: %v", err)
	}
	fresh := startHost(t, hostArgs{Server: s.Addr(), Name: "fresh", Tasks: []string{"echo", "new"}})
	c.hears("fresh")
	new := c.submit(20, "new")
	for _, id := range new {
		c.caller.mu.Lock()
		if e := c.entries[id]; e != nil && e.class == classAny {
			t.Errorf("task %d may go to any host", id)
		}
		c.caller.mu.Unlock()
	}
	c.checks(new)
	c.checks(c.submit(20, "echo"))
	old.Kill()
	fresh.Kill()
}

// hears waits for a sign of life of a host.
func (c *testCaller) hears(name string) {
	c.t.Helper()
	proctest.Eventually(c.t, proctest.Hang, func() bool {
		c.caller.mu.Lock()
		defer c.caller.mu.Unlock()
		for _, h := range c.hosts {
			if h.life.Name == name {
				return true
			}
		}
		return false
	}, "no sign of life of "+name)
}

// holderNot waits until another host than that has the task.
func (c *testCaller) holderNot(id uint64, not string) (name string) {
	c.t.Helper()
	proctest.Eventually(c.t, proctest.Hang, func() bool {
		name = c.holder(id)
		return name != not
	}, "the task stays with "+not)
	return name
}
