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
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"time"

	"github.com/shmkit/shmkit/pool"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells say it
)

// gcPercent lets the garbage collector run seldom, because the processes keep little memory for
// long, and all processors are needed for counting.
const gcPercent = 800

func main() {
	debug.SetGCPercent(gcPercent)
	pool.Main() // in a worker it runs the tasks and never returns
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config is the command line.
type config struct {
	root, suffixes string
	workers, top   int
	json, chaos    bool
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout io.Writer, stderr *os.File) int {
	cfg, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	}
	r, err := count(ctx, cfg, stderr)
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "wordcount: interrupted")
		return exitInterrupted
	}
	if err == nil && cfg.json {
		err = r.writeJSON(stdout)
	} else if err == nil {
		err = r.writeText(stdout)
	}
	if err != nil {
		fmt.Fprintf(stderr, "wordcount: %v\n", err)
		return exitFailed
	}
	return exitOK
}

// parseFlags reads the command line. It has reported its error on stderr.
func parseFlags(args []string, stderr io.Writer) (config, error) {
	var cfg config
	flags := flag.NewFlagSet("wordcount", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: wordcount [flags] [directory]")
		flags.PrintDefaults()
	}
	flags.IntVar(&cfg.workers, "workers", runtime.NumCPU(), "number of worker processes")
	flags.IntVar(&cfg.top, "top", 10, "how many of the most frequent words to print")
	flags.StringVar(&cfg.suffixes, "suffix", "", "count only files with one of these `suffixes`, such as .go,.h")
	flags.BoolVar(&cfg.json, "json", false, "print one JSON object")
	flags.BoolVar(&cfg.chaos, "chaos", false, "kill a random worker every 100 ms")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	cfg.root = flags.Arg(0)
	switch {
	case flags.NArg() > 1:
		return cfg, usageError(flags, "more than one directory")
	case cfg.workers < 1:
		return cfg, usageError(flags, "-workers must be at least 1")
	case cfg.top < 0:
		return cfg, usageError(flags, "-top must not be negative")
	}
	return cfg, nil
}

func usageError(flags *flag.FlagSet, text string) error {
	fmt.Fprintf(flags.Output(), "wordcount: %s\n", text)
	flags.Usage()
	return errors.New(text)
}

// count counts as cfg says.
func count(ctx context.Context, cfg config, stderr *os.File) (report, error) {
	if cfg.root == "" {
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return report{}, fmt.Errorf("no directory given, and go env GOROOT: %w", err)
		}
		cfg.root = strings.TrimSpace(string(out))
	}
	tree, err := openTree(cfg.root, cfg.suffixes, newTrouble(stderr))
	if err != nil {
		return report{}, err
	}
	start := time.Now()
	ws, err := startWorkers(ctx, cfg.workers)
	if err != nil {
		return report{}, err
	}
	unwatch := watch(ws, cfg.chaos, stderr)
	totals, top, err := newJob(tree, cfg.top, ws.stages(ctx)).run(ctx)
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
		stopChaos = every(tenthOfSecond, ws.killOne)
	}
	return func() {
		stopChaos()
		stopProgress()
	}
}
