// Wordcount counts the files, lines, words and bytes of a directory tree, and its most frequent
// words, on several hosts. Here the hosts are processes of this machine, which all see the same
// files; elsewhere they would be machines with a common file system.
//
//	wordcount [flags] [directory]
//
// The directory is that of the Go installation unless another is given. With -chaos hosts are
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

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/pool"
)

// Exit codes.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitInterrupted = 130 // 128 + SIGINT, as shells say it
)

func main() {
	debug.SetGCPercent(400)
	pool.Main() // in a worker it runs the tasks and never returns
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop) // a second Ctrl-C ends the program at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// config is the command line.
type config struct {
	root, suffixes, serve string
	hosts, workers, top   int
	json, chaos           bool
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case cfg.serve != "":
		err = serve(ctx, cfg)
	default:
		err = count(ctx, cfg, stdout, stderr)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(stderr, "wordcount: interrupted")
		return exitInterrupted
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
	flags.IntVar(&cfg.hosts, "hosts", 2, "number of host processes")
	flags.IntVar(&cfg.workers, "workers", max(runtime.NumCPU()/2, 1), "number of worker processes of each host")
	flags.IntVar(&cfg.top, "top", 10, "how many of the most frequent words to print")
	flags.StringVar(&cfg.suffixes, "suffix", "", "count only files with one of these `suffixes`, such as .go,.h")
	flags.BoolVar(&cfg.json, "json", false, "print one JSON object")
	flags.BoolVar(&cfg.chaos, "chaos", false, "kill a random host every second, when all serve")
	flags.StringVar(&cfg.serve, "serve", "", "be a host of the server at this `address`")
	if err := flags.Parse(args); err != nil {
		return cfg, err
	}
	cfg.root = flags.Arg(0)
	wrong := ""
	switch {
	case flags.NArg() > 1:
		wrong = "more than one directory"
	case cfg.hosts < 1 || cfg.workers < 1:
		wrong = "-hosts and -workers must be at least 1"
	case cfg.top < 0:
		wrong = "-top must not be negative"
	}
	if wrong != "" {
		fmt.Fprintf(stderr, "wordcount: %s\n", wrong)
		flags.Usage()
		return cfg, errors.New(wrong)
	}
	return cfg, nil
}

// serve is a host: it runs tasks until it gets a SIGTERM, or until its parent is gone, which closes
// its standard input.
func serve(ctx context.Context, cfg config) error {
	ctx, end := context.WithCancel(ctx)
	defer end()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		end()
	}()
	return cluster.Serve(ctx, cluster.ServeOptions{
		Servers: []string{cfg.serve}, Name: fmt.Sprintf("host[%d]", os.Getpid()), Pool: pool.Options{Workers: cfg.workers, Attempts: -1},
	})
}

// attempts is how many hosts a task may lose with -chaos, which has nothing to do with the task.
const attempts = 1 << 20

// count starts a server and hosts, counts, and prints the result.
func count(ctx context.Context, cfg config, stdout, stderr io.Writer) (err error) {
	if cfg.root == "" {
		out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
		if err != nil {
			return fmt.Errorf("no directory given, and go env GOROOT: %w", err)
		}
		cfg.root = strings.TrimSpace(string(out))
	}
	tree, err := openTree(cfg.root, cfg.suffixes, stderr)
	if err != nil {
		return err
	}
	c, err := cluster.New(ctx, cluster.Options{HostAttempts: attempts, Pool: pool.Options{Attempts: -1}})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	hosts, err := startHosts(c, cfg, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, hosts.close()) }()
	if err := c.WaitHosts(ctx, cfg.hosts); err != nil {
		return err
	}
	if cfg.chaos {
		defer every(time.Second, hosts.killOne)()
	}
	start := time.Now()
	r, err := tree.count(ctx, c.Pool, cfg.top)
	if err != nil {
		return err
	}
	r.Seconds, r.Hosts, r.Killed = time.Since(start).Seconds(), cfg.hosts, hosts.killed()
	return r.write(stdout, cfg.json)
}
