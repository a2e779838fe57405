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
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"time"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/pool"
)

func main() {
	debug.SetGCPercent(400)
	pool.Main() // in a worker it runs the tasks and never returns
	os.Exit(run(command.Interruptible(), os.Args[1:], os.Stdout, os.Stderr))
}

// config is the command line.
type config struct {
	command.Flags
	serve string
	hosts int
}

// run is the program. It returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	cfg, err := parseFlags(args, stderr)
	switch {
	case err != nil:
	case cfg.serve != "":
		err = serve(ctx, cfg)
	default:
		err = count(ctx, cfg, stdout, stderr)
	}
	return command.Exit(ctx, err, stderr)
}

func parseFlags(args []string, stderr io.Writer) (cfg config, err error) {
	flags := cfg.Set(stderr, max(runtime.NumCPU()/2, 1), "number of worker processes of each host", "kill a random host every second, when all serve")
	flags.IntVar(&cfg.hosts, "hosts", 2, "number of host processes")
	flags.StringVar(&cfg.serve, "serve", "", "be a host of the server at this `address`")
	if err := cfg.Parse(flags, args); err != nil {
		return cfg, err
	}
	if cfg.hosts < 1 {
		return cfg, command.Misused(flags, "-hosts must be at least 1")
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
		Servers: []string{cfg.serve}, Name: fmt.Sprintf("host[%d]", os.Getpid()), Pool: pool.Options{Workers: cfg.Workers, Attempts: -1},
	})
}

// attempts is how many hosts a task may lose with -chaos, which has nothing to do with the task.
const attempts = 1 << 20

// count starts a server and hosts, counts, and prints the result.
func count(ctx context.Context, cfg config, stdout, stderr io.Writer) (err error) {
	if err := cfg.FindRoot(ctx); err != nil {
		return err
	}
	tree, err := openTree(cfg.Root, cfg.Suffixes, stderr)
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
	if cfg.Chaos {
		defer command.Every(time.Second, hosts.killOne)()
	}
	start := time.Now()
	r, err := tree.count(ctx, c.Pool, cfg.Top)
	if err != nil {
		return err
	}
	r.Seconds, r.Hosts, r.Killed = time.Since(start).Seconds(), cfg.hosts, hosts.killed()
	return r.write(stdout, cfg.JSON)
}
