//go:build linux

package bench

import (
	"context"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

var (
	lockHolder = proctest.Register("holder", holdLock)
	lockWaiter = proctest.Register("waiter", waitForDeaths)
)

const (
	minKills        = 20
	recoveredFormat = "recovered %d"
)

// recoverRow kills the holder of a lock several times, and returns for each kill the nanoseconds
// until the waiter in another process had the lock.
type recoverRow struct {
	impl string
	kill func(tb testing.TB, kills int) []float64
}

// grownUp is the lowest age of a holder when it is killed. In the first 13 milliseconds or so after
// a process has attached, membarriers do not reach it yet, and the process that takes over from it
// gives its threads half a millisecond to stop. Holders in real programs are older.
const grownUp = 50 * time.Millisecond

// BenchmarkRecoverAfterKill measures how soon a process that sleeps on a lock has it after the
// holder, in another process, was ended by SIGKILL. Each operation is one kill.
func BenchmarkRecoverAfterKill(b *testing.B) {
	for _, r := range recoverRows(newPeers(b)) {
		b.Run("impl="+r.impl, func(b *testing.B) {
			ns := r.kill(b, max(b.N, minKills))
			b.ReportMetric(median(ns), "ns/op")
			b.ReportMetric(median(ns)/1e6, "p50-ms")
			b.ReportMetric(quantile(ns, 0.99)/1e6, "p99-ms")
			reportQuantiles(b, ns)
		})
	}
	note("no row %s/impl=python: who waits for a multiprocessing Lock never gets it from a dead holder", b.Name())
}

func recoverRows(ps *peers) []recoverRow {
	return []recoverRow{
		{"shmkit", func(tb testing.TB, kills int) []float64 { return killHolders(tb, kills, grownUp) }},
		{"shmkit-young", func(tb testing.TB, kills int) []float64 { return killHolders(tb, kills, 0) }},
		{"glibc-robust", func(tb testing.TB, kills int) []float64 {
			cpus := cores(tb, 2)
			lines := runPeer(tb, ps.c(tb, "recover"), fmt.Sprint(kills), fmt.Sprint(grownUp.Microseconds()), fmt.Sprint(cpus[0]), fmt.Sprint(cpus[1]))
			ns := make([]float64, len(lines))
			for i, line := range lines {
				if _, err := fmt.Sscanf(line, "recovered %f", &ns[i]); err != nil {
					tb.Fatalf("recover printed %q: %v", line, err)
				}
			}
			if len(ns) != kills {
				tb.Fatalf("recover printed %d figures for %d kills", len(ns), kills)
			}
			return ns
		}},
	}
}

// killHolders starts one waiter and, for every kill, a new holder, which gets at least that old.
// The waiter sleeps before the kill.
func killHolders(tb testing.TB, kills int, age time.Duration) []float64 {
	tb.Helper()
	cpus := cores(tb, 2)
	dir := proctest.Dir(tb)
	seg, err := shm.Create(segmentIn(dir), shm.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	defer seg.Close()
	waiter := proctest.Start(tb, lockWaiter, dir, fmt.Sprint(cpus[0]))
	ns := make([]float64, kills)
	for i := range ns {
		holder := proctest.Start(tb, lockHolder, dir, fmt.Sprint(cpus[1]))
		holder.Expect("held")
		grown := time.After(age) //clock: it must be at least so old
		waiter.Send("wait")
		waiter.Expect("waiting")
		<-grown
		awaitParked(tb, waiter.PID())
		killedAt := now()
		state := holder.Kill()
		if status, ok := state.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
			tb.Fatalf("the holder ended before the kill: %v; stderr:\n%s", state, holder.Stderr())
		}
		var takenAt int64
		line := waiter.Line()
		if _, err := fmt.Sscanf(line, recoveredFormat, &takenAt); err != nil {
			tb.Fatalf("the waiter said %q", line)
		}
		ns[i] = float64(takenAt - killedAt)
	}
	waiter.Send("end")
	waiter.WaitOK()
	return ns
}

// openPinned opens the lock of a child with the arguments DIR CPU.
func openPinned(args []string) *shmsync.Mutex {
	cpu, err := strconv.Atoi(args[1])
	must(err)
	_, err = pin(cpu)
	must(err)
	seg, err := shm.Open(segmentIn(args[0]))
	must(err)
	m, err := newMutex(seg)
	must(err)
	return m
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}

// holdLock is the child that is killed.
func holdLock(args []string) {
	m := openPinned(args)
	must(m.Lock(context.Background()))
	proctest.Say("held")
	proctest.Hear() // blocks until the kill
}

// waitForDeaths is the child that gets the lock after each death, as often as it is told to.
func waitForDeaths(args []string) {
	m := openPinned(args)
	for proctest.Hear() == "wait" {
		proctest.Say("waiting")
		died := false
		err := m.LockRepair(context.Background(), func(*shmsync.OwnerDiedError) error { died = true; return nil })
		takenAt := now()
		if err != nil || !died {
			panic(fmt.Sprintf("lock of a dead holder: %v, death reported: %v", err, died))
		}
		m.Unlock()
		proctest.Say(recoveredFormat, takenAt)
	}
}
