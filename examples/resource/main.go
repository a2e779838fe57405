// Resource shows a resource with a lifetime: each worker has a scratch directory from before its
// first task until after its last one. A worker that is killed cannot remove its directory, so the
// parent removes it.
package main

import (
	"compress/gzip"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// Scratch is the path of a worker's scratch directory. Each worker makes it once, below the
// directory that the pool's options name, and removes it when the worker is recycled or the pool is
// closed.
var Scratch = pool.DefineResource("scratch", func(_ context.Context, in string) (string, func() error, error) {
	dir := scratchOf(in, os.Getpid())
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", nil, err
	}
	return dir, func() error { return os.RemoveAll(dir) }, nil
})

func scratchOf(in string, pid int) string {
	return filepath.Join(in, fmt.Sprintf("resource-example-%d", pid))
}

// Pack compresses a text in the scratch directory and returns its compressed size in bytes.
var Pack = pool.Define("pack", func(ctx context.Context, text string) (int64, error) {
	f, err := os.CreateTemp(Scratch.Get(ctx), "packed")
	if err != nil {
		return 0, err
	}
	defer f.Close()
	z := gzip.NewWriter(f)
	if _, err := z.Write([]byte(text)); err != nil {
		return 0, err
	}
	if err := z.Close(); err != nil {
		return 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
})

func main() {
	log.SetFlags(0)
	pool.Main() // in a worker it runs the tasks and never returns
	if err := run(context.Background()); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context) error {
	in := os.TempDir()
	dirs := map[string]string{} // directories of ended workers, and why each worker ended
	p, err := pool.New(ctx, pool.Options{
		Workers:           2,
		Resources:         []pool.AnyResource{Scratch.With(in)},
		MaxTasksPerWorker: 10, // so that some workers are recycled
		OnWorkerExit: func(e pool.WorkerExit) {
			dir := scratchOf(in, e.PID)
			dirs[dir] = e.Reason
			if e.ExitCode < 0 { // a signal has killed it, perhaps while it was being recycled
				os.RemoveAll(dir)
			}
		},
	})
	if err != nil {
		return err
	}
	defer p.Close()

	var texts []string
	for i := range 30 {
		texts = append(texts, strings.Repeat("to be packed ", 100*i))
	}
	if _, err := pool.Map(ctx, p, Pack.With(pool.TaskOptions{Chunk: 1}), texts); err != nil {
		return err
	}
	if err := killOne(p); err != nil { // as the kernel does when memory is short
		return err
	}
	sizes, err := pool.Map(ctx, p, Pack, texts)
	if err != nil {
		return err
	}
	if err := p.Restart(ctx); err != nil { // so that no worker is about to be recycled
		return err
	}
	if err := p.Close(); err != nil { // OnWorkerExit is not called after it
		return err
	}

	ends, left := map[string]bool{}, 0
	for dir, reason := range dirs {
		ends[reason] = true
		if _, err := os.Stat(dir); err == nil {
			left++
		}
	}
	fmt.Printf("packed %d texts; workers were recycled: %v, died: %v, closed: %v; %d scratch directories are left\n",
		len(sizes), ends["recycled"], ends["died"], ends["closed"], left)
	return nil
}

// killOne sends SIGKILL to workers until the pool has seen one killed. A worker may be ending by
// itself when the signal arrives; then killOne tries another one.
func killOne(p *pool.Pool) error {
	for p.Stats().Killed == 0 {
		if pid := p.Stats().Workers[0].PID; pid != 0 { // 0 while a worker is replaced
			worker, err := os.FindProcess(pid)
			if err != nil {
				return err
			}
			worker.Kill()
		}
		time.Sleep(10 * time.Millisecond) // stands for the program's other work
	}
	return nil
}
