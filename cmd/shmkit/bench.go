package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A measure is the time of one operation on this machine.
type measure struct {
	Name        string  `json:"name"`
	Nanoseconds float64 `json:"nanoseconds"` // the median of ten rounds
	Usual       float64 `json:"usualNanoseconds"`
	Slow        bool    `json:"slow"` // more than twice of what is usual
}

func (t *tool) benchCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "bench",
		Short: "Measure for some seconds whether this machine is as fast as it should be; exit code 1 if it is not",
		Long: `Bench measures a lock, a queue and the recovery after the death of a process that held a lock, and compares
them with the figures of the README, which are of two virtual processors of an AMD EPYC.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			all, err := t.bench(c.Context())
			if err != nil {
				return err
			}
			remarks := stolen()
			for _, m := range all {
				t.bad = t.bad || m.Slow
			}
			if t.json {
				return t.writeJSON("bench", answer{Result: map[string]any{"measures": all, "remarks": orEmpty(remarks)}})
			}
			w := newTable()
			for _, m := range all {
				w.row(t.trouble(m.Slow), m.Name, duration(m.Nanoseconds), "usual "+duration(m.Usual))
			}
			text := w.String()
			for _, r := range remarks {
				text += t.trouble(true) + " " + r + "\n"
			}
			return t.printf("%s", text)
		},
	}
	hold := &cobra.Command{
		Use: "hold PATH", Hidden: true, Args: needs(1, 1, "hold needs a path"),
		RunE: func(_ *cobra.Command, args []string) error { return holdLock(args[0], t.out) },
	}
	c.AddCommand(hold)
	return c
}

func duration(ns float64) string { return time.Duration(ns).Round(time.Nanosecond).String() }

const rounds = 10

func (t *tool) bench(ctx context.Context) ([]measure, error) {
	dir, err := os.MkdirTemp("/dev/shm", "shmkit-bench-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := dir + "/segment"
	seg, err := shm.Create(path, shm.Options{Size: 4 << 20, Processes: 16})
	if err != nil {
		return nil, err
	}
	defer seg.Close()
	m, noMutex := shmsync.NewMutex(seg, "lock", shmsync.MutexOptions{})
	q, noQueue := queue.NewQueue[[8]int64](seg, "queue", 64, queue.Options{})
	v, noValue := shm.NewValue(seg, "value", [8]int64{})
	if err := errors.Join(noMutex, noQueue, noValue); err != nil {
		return nil, err
	}
	var all []measure
	for _, one := range []struct {
		name  string
		usual float64
		op    func() error
	}{
		{"lock and unlock", 6, func() error { err := m.Lock(ctx); m.Unlock(); return err }},
		{"put and get of 64 bytes", 60, func() error {
			err := q.Put(ctx, [8]int64{})
			if err == nil {
				_, err = q.Get(ctx)
			}
			return err
		}},
		{"load of 64 bytes", 8, func() error { _, err := v.Load(); return err }},
	} {
		ns, err := median(ctx, one.op)
		if err != nil {
			return nil, err
		}
		all = append(all, measure{Name: one.name, Nanoseconds: ns, Usual: one.usual, Slow: ns > 2*one.usual})
	}
	ns, err := recovery(ctx, m, path)
	const usual = 1e6
	return append(all, measure{Name: "lock after the death of its holder", Nanoseconds: ns, Usual: usual, Slow: ns > 2*usual}), err
}

// median is how many nanoseconds an operation takes.
func median(ctx context.Context, op func() error) (float64, error) {
	const times = 200_000
	var all []float64
	for range rounds {
		start := time.Now()
		for range times {
			if err := op(); err != nil {
				return 0, err
			}
		}
		all = append(all, float64(time.Since(start).Nanoseconds())/times)
		if ctx.Err() != nil {
			return 0, ctx.Err()
		}
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

// recovery is how long a waiter waits after the holder of the lock was killed.
func recovery(ctx context.Context, m *shmsync.Mutex, path string) (float64, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	var all []float64
	for range rounds {
		holder := exec.CommandContext(ctx, program, "bench", "hold", path)
		out, err := holder.StdoutPipe()
		if err == nil {
			err = holder.Start()
		}
		if err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(out, make([]byte, len(holdsText))); err != nil {
			return 0, fmt.Errorf("a process that holds the lock: %w", err)
		}
		done := make(chan error, 1)
		var end time.Time
		go func() {
			err := m.LockRepair(ctx, func(*shmsync.OwnerDiedError) error { return nil })
			end = time.Now()
			done <- err
		}()
		time.Sleep(20 * time.Millisecond) // until the waiter sleeps
		start := time.Now()
		holder.Process.Kill()
		if err := <-done; err != nil {
			return 0, err
		}
		m.Unlock()
		holder.Wait() // it was killed
		all = append(all, float64(end.Sub(start).Nanoseconds()))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

const holdsText = "holds\n"

// holdLock takes the lock and keeps it until the process is killed.
func holdLock(path string, out io.Writer) error {
	seg, err := shm.Open(path)
	if err != nil {
		return err
	}
	m, err := shmsync.OpenMutex(seg, "lock", shmsync.MutexOptions{})
	if err == nil {
		err = m.Lock(context.Background())
	}
	if err != nil {
		return err
	}
	fmt.Fprint(out, holdsText)
	select {} // until it is killed
}

// stolen says whether the processors are taken away from this machine now and then.
func stolen() (remarks []string) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return nil
	}
	fields := strings.Fields(strings.SplitN(string(b), "\n", 2)[0])
	var sum, steal float64
	for i, f := range fields[1:] {
		var n float64
		fmt.Sscan(f, &n)
		sum += n
		if i == 7 {
			steal = n
		}
	}
	if sum > 0 && steal/sum > 0.05 {
		remarks = append(remarks, fmt.Sprintf("%.0f %% of the time since the start other virtual machines had the processors", 100*steal/sum))
	}
	return remarks
}
