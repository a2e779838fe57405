// Package command is what the programs that count words have in common: flags, exit codes, and the
// form of the output. One counts with a pool of this machine, the other one on hosts.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
)

// Exit codes.
const (
	ExitOK          = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitInterrupted = 130 // 128 + SIGINT, as shells say it
)

// Interruptible is a context that a Ctrl-C ends. A second one ends the program at once.
func Interruptible() context.Context {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	context.AfterFunc(ctx, stop)
	return ctx
}

// Flags are the flags of every program, and its argument.
type Flags struct {
	Root, Suffixes string
	Workers, Top   int
	JSON, Chaos    bool
}

// Set makes a flag set for f, to which a program adds its own flags. workers and chaos say what
// these two flags mean to the program.
func (f *Flags) Set(stderr io.Writer, defaultWorkers int, workers, chaos string) *flag.FlagSet {
	flags := flag.NewFlagSet("wordcount", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "usage: wordcount [flags] [directory]")
		flags.PrintDefaults()
	}
	flags.IntVar(&f.Workers, "workers", defaultWorkers, workers)
	flags.IntVar(&f.Top, "top", 10, "how many of the most frequent words to print")
	flags.StringVar(&f.Suffixes, "suffix", "", "count only files with one of these `suffixes`, such as .go,.h")
	flags.BoolVar(&f.JSON, "json", false, "print one JSON object")
	flags.BoolVar(&f.Chaos, "chaos", false, chaos)
	return flags
}

// errUsage says that the command line is wrong, and that the program has said so.
var errUsage = errors.New("bad usage")

// Parse reads the command line. It has reported its error.
func (f *Flags) Parse(flags *flag.FlagSet, args []string) error {
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return err
	} else if err != nil {
		return errUsage
	}
	f.Root = flags.Arg(0)
	switch {
	case flags.NArg() > 1:
		return Misused(flags, "more than one directory")
	case f.Workers < 1:
		return Misused(flags, "-workers must be at least 1")
	case f.Top < 0:
		return Misused(flags, "-top must not be negative")
	}
	return nil
}

// Misused reports what is wrong with the command line.
func Misused(flags *flag.FlagSet, text string) error {
	fmt.Fprintf(flags.Output(), "wordcount: %s\n", text)
	flags.Usage()
	return errUsage
}

// FindRoot has the directory be that of the Go installation, if none was given.
func (f *Flags) FindRoot(ctx context.Context) error {
	if f.Root != "" {
		return nil
	}
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("no directory given, and go env GOROOT: %w", err)
	}
	f.Root = strings.TrimSpace(string(out))
	return nil
}

// Exit is the exit code of a program that has ended with err. It reports the error.
func Exit(ctx context.Context, err error, stderr io.Writer) int {
	switch {
	case errors.Is(err, flag.ErrHelp):
		return ExitOK
	case errors.Is(err, errUsage):
		return ExitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(stderr, "wordcount: interrupted")
		return ExitInterrupted
	case err != nil:
		fmt.Fprintf(stderr, "wordcount: %v\n", err)
		return ExitFailed
	}
	return ExitOK
}
