// Shmkit shows what is in segments of shared memory and which processes use them, without taking
// part in them. Run shmkit help.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/inspect"
	"github.com/shmkit/shmkit/internal/segment"
)

// Exit codes.
const (
	exitOK         = 0
	exitBad        = 1 // the answer is bad news
	exitUsage      = 2
	exitMissing    = 3 // no such segment or object
	exitPermission = 4
	exitFormat     = 5 // not readable: damaged, of another version or word size
	exitInUse      = 6 // refused
	exitOther      = 7
	exitSignal     = 130
)

// errBad says that the answer, which was given, is bad news.
var errBad = errors.New("the answer is bad news")

// A usageError is a mistake on the command line.
type usageError struct{ error }

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// run runs the command line, and returns the exit code.
func run(args []string, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	t := &tool{out: stdout, err: stderr}
	root := t.root()
	root.SetArgs(withDoubleDashes(root, args))
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err == nil && t.bad {
		err = errBad
	}
	code := exitCode(ctx, err)
	if err != nil && !errors.Is(err, errBad) && code != exitSignal {
		fmt.Fprintf(stderr, "shmkit: %v\n", err)
		if code == exitUsage {
			fmt.Fprintln(stderr, "shmkit help shows how it is used")
		}
	}
	return code
}

func exitCode(ctx context.Context, err error) int {
	var usage usageError
	switch {
	case ctx.Err() != nil:
		return exitSignal // also of commands that a signal ends as intended
	case err == nil:
		return exitOK
	case errors.Is(err, errBad):
		return exitBad
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, segment.ErrInUse):
		return exitInUse
	case errors.Is(err, fs.ErrNotExist):
		return exitMissing
	case errors.Is(err, fs.ErrPermission):
		return exitPermission
	case errors.Is(err, inspect.ErrFormat):
		return exitFormat
	case errors.Is(err, fs.ErrInvalid):
		return exitUsage
	case errors.Is(err, syscall.EPIPE):
		return exitOK // the reader has seen enough
	case strings.HasPrefix(err.Error(), "unknown ") || strings.Contains(err.Error(), " flag"):
		return exitUsage // cobra's own
	}
	return exitOther
}

// withDoubleDashes lets long flags have a single dash, too, as those of Go's own tools.
func withDoubleDashes(root *cobra.Command, args []string) []string {
	out := make([]string, len(args))
	for i, arg := range args {
		out[i] = arg
		if arg == "--" {
			copy(out[i:], args[i:])
			break
		}
		name, ok := strings.CutPrefix(arg, "-")
		if name, _, _ = strings.Cut(name, "="); ok && len(name) > 1 && name[0] != '-' && hasFlag(root, name) {
			out[i] = "-" + arg
		}
	}
	return out
}

// hasFlag reports whether a command has a flag of that long name.
func hasFlag(c *cobra.Command, name string) bool {
	if name == "help" || c.Flags().Lookup(name) != nil || c.PersistentFlags().Lookup(name) != nil {
		return true
	}
	for _, sub := range c.Commands() {
		if hasFlag(sub, name) {
			return true
		}
	}
	return false
}
