//go:build linux

package futex

import (
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/cpu"
	"github.com/shmkit/shmkit/internal/proctest"
)

var (
	roleTellsFacilities = proctest.Register("tells facilities", func([]string) {
		proctest.Say("waitv %t membarrier %t", HasWaitAny(), HasMembarrier())
		proctest.Say("barrier %t registered %t", Membarrier(), Registered())
		proctest.Say("register %t registered %t", Register(), Registered())
	})
	roleNotifies = proctest.Register("notifies", notifies)
)

func TestFallbackEnvSwitchesFacilitiesOff(t *testing.T) {
	has, bar := HasWaitAny(), HasMembarrier()
	for _, c := range []struct {
		env               string
		waitv, membarrier bool
	}{
		{"", has, bar},
		{"waitv", false, bar},
		{"membarrier", has, false},
		{"robust", has, bar},
		{" membarrier , waitv,robust", false, false},
		{"waitvx,nomembarrier", has, bar},
	} {
		child := proctest.Command(t, roleTellsFacilities)
		child.Cmd.Env = append(child.Cmd.Env, FallbackEnv+"="+c.env)
		child.Start()
		child.Expect(fmt.Sprintf("waitv %t membarrier %t", c.waitv, c.membarrier))
		child.Expect(fmt.Sprintf("barrier %t registered false", c.membarrier))
		child.Expect(fmt.Sprintf("register %t registered %t", c.membarrier, c.membarrier))
		child.WaitOK()
	}
}

func TestProbeAgreesWithTheKernel(t *testing.T) {
	if os.Getenv(FallbackEnv) != "" {
		t.Skip("facilities are switched off")
	}
	word := new(uint32)
	*word = 1
	var v Vector
	v.Add(Word{Addr: word})
	if works := probeWaitAny(); HasWaitAny() != works {
		t.Errorf("HasWaitAny %t, but the call works: %t", HasWaitAny(), works)
	}
}

// The words of the litmus test, each on a cache line of its own.
const (
	wordArmed = 0 * cpu.LineBytes / 2 // written by the sleeper, which pays for the order
	wordDone  = 1 * cpu.LineBytes / 2 // written by the notifier, which does not
	wordSaw   = 2 * cpu.LineBytes / 2 // what the notifier saw of armed, in round wordRound
	wordRound = 3 * cpu.LineBytes / 2
	wordStart = 4 * cpu.LineBytes / 2
)

// notifies publishes and looks, without a fence, once for each round.
func notifies(args []string) {
	p := openPage(args[0])
	if args[1] == "registered" && !Register() {
		panic("no membarrier")
	}
	proctest.Say("ready")
	for round := uint32(1); ; round++ {
		for atomic.LoadUint32(&p[wordStart]) < round {
			cpu.Pause(1)
		}
		if atomic.LoadUint32(&p[wordStart]) == ^uint32(0) {
			return
		}
		cpu.StoreRelease32(&p[wordDone], round)
		armed := atomic.LoadUint32(&p[wordArmed])
		atomic.StoreUint32(&p[wordSaw], armed)
		atomic.StoreUint32(&p[wordRound], round)
	}
}

// missed returns in how many of the rounds neither side saw the other.
func missed(t *testing.T, kind string, barrier func(), rounds int) (misses int) {
	p, path := newPage(t)
	child := proctest.Start(t, roleNotifies, path, kind)
	child.Expect("ready")
	for n := range rounds {
		round := uint32(n + 1)
		atomic.StoreUint32(&p[wordStart], round)
		cpu.Pause(uint32(n % 32)) // meet it at different places
		cpu.StoreRelease32(&p[wordArmed], round)
		barrier()
		done := atomic.LoadUint32(&p[wordDone])
		for spins := 0; atomic.LoadUint32(&p[wordRound]) != round; spins++ {
			if cpu.Pause(1); spins > 5000 {
				proctest.Stagger(2 * time.Microsecond) // the notifier may have no CPU
			}
		}
		if done != round && atomic.LoadUint32(&p[wordSaw]) != round {
			misses++
		}
	}
	atomic.StoreUint32(&p[wordStart], ^uint32(0))
	child.WaitOK()
	return misses
}

// Sleepers pay with a membarrier, notifiers with nothing: one of the two always sees the other.
func TestMembarrierOrdersRegisteredProcesses(t *testing.T) {
	if !HasMembarrier() {
		t.Skip("the kernel has no membarrier")
	}
	const rounds = 5000
	t.Logf("without a barrier: %d misses in %d rounds", missed(t, "unregistered", func() {}, rounds), rounds)
	if misses := missed(t, "registered", func() { Membarrier() }, rounds); misses > 0 {
		t.Errorf("with membarrier: %d misses in %d rounds", misses, rounds)
	}
}

func BenchmarkMembarrier(b *testing.B) {
	if !Register() {
		b.Skip("the kernel has no membarrier")
	}
	for b.Loop() {
		Membarrier()
	}
}
