// Wordcount counts the files, lines, words and bytes of a directory tree, as find and wc do, and
// its most frequent words, with a pool of worker processes.
//
//	wordcount [flags] [directory]
//
// The directory is that of the Go installation unless another is given. With -chaos the workers are
// killed at random while they count, and the result is the same.
package main

import (
	"context"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/pool"
)

// gcPercent lets the garbage collector run seldom, because the processes keep little memory for
// long, and all processors are needed for counting.
const gcPercent = 800

// tenthOfSecond is how often the progress is drawn, and how often chaos strikes.
const tenthOfSecond = 100 * time.Millisecond

func main() {
	debug.SetGCPercent(gcPercent)
	pool.Main() // in a worker it runs the tasks and never returns
	os.Exit(run(command.Interruptible(), os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	cfg, err := parseFlags(args, stderr)
	if err != nil {
		return command.Exit(ctx, err, stderr)
	}
	r, err := count(ctx, cfg, stderr)
	switch {
	case err != nil || ctx.Err() != nil:
	case cfg.JSON:
		err = command.WriteJSON(stdout, r)
	default:
		err = r.writeText(stdout)
	}
	return command.Exit(ctx, err, stderr)
}

func parseFlags(args []string, stderr io.Writer) (cfg command.Flags, err error) {
	flags := cfg.Set(stderr, runtime.NumCPU(), "number of worker processes", "kill a random worker every 100 ms")
	return cfg, cfg.Parse(flags, args)
}

// count counts as cfg says.
func count(ctx context.Context, cfg command.Flags, stderr *os.File) (report, error) {
	if err := cfg.FindRoot(ctx); err != nil {
		return report{}, err
	}
	tree, err := openTree(cfg.Root, cfg.Suffixes, newTrouble(stderr))
	if err != nil {
		return report{}, err
	}
	start := time.Now()
	ws, err := startWorkers(ctx, cfg.Workers)
	if err != nil {
		return report{}, err
	}
	unwatch := watch(ws, cfg.Chaos, stderr)
	totals, top, err := newJob(tree, cfg.Top, ws.stages(ctx)).run(ctx)
	unwatch()
	elapsed := time.Since(start)
	stats := ws.pool.Stats()
	if closed := ws.close(); err == nil {
		err = closed
	}
	return newReport(totals, top, elapsed, stats), err
}

// watch shows the progress of the workers if there is a terminal, and with the flag -chaos kills
// some of them, until the function that it returns is called.
func watch(ws *workers, chaos bool, stderr *os.File) (unwatch func()) {
	stopProgress, stopChaos := func() {}, func() {}
	if isTerminal(stderr) {
		stopProgress = showProgress(stderr, ws.progress)
	}
	if chaos {
		stopChaos = command.Every(tenthOfSecond, ws.killOne)
	}
	return func() {
		stopChaos()
		stopProgress()
	}
}
