package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"os"

	"github.com/shmkit/shmkit/internal/inspect"
)

// A tool is one run of the program.
type tool struct {
	out, err io.Writer
	bad      bool // the answer is bad news

	json    bool
	color   string
	quiet   bool
	timeout time.Duration
	search  inspect.Search
	now     func() time.Time // nil: the time
}

// root is the command without a subcommand.
func (t *tool) root() *cobra.Command {
	c := &cobra.Command{
		Use:   "shmkit",
		Short: "Show segments of shared memory and the processes that use them",
		Long: `Shmkit shows segments of shared memory without taking part in them: it opens them for reading only.

A segment is named by NAME in the user's directory, by a PATH with a slash, by @PID for those
without a name that a process has open, or by id:… for its identity. Without names a command looks
at all segments that can be read.

Exit codes: 0 the answer; 1 the answer is bad news; 2 usage; 3 no such segment or object;
4 no permission; 5 not readable; 6 refused, in use; 7 anything else; 130 interrupted.`,
		Example: `  shmkit ls
  shmkit show visits
  shmkit locks
  shmkit top`,
		SilenceErrors: true, SilenceUsage: true,
		CompletionOptions: cobra.CompletionOptions{HiddenDefaultCmd: false},
	}
	flags := c.PersistentFlags()
	flags.BoolVar(&t.json, "json", false, "write JSON, of schema 1")
	flags.StringVar(&t.color, "color", "auto", "colour the text: auto, always, never")
	flags.BoolVarP(&t.quiet, "quiet", "q", false, "leave out what was skipped")
	flags.DurationVar(&t.timeout, "timeout", 5*time.Second, "how long to look at most; 0: for ever")
	flags.StringVar(&t.search.Dir, "dir", "", "the directory of segments with plain names")
	flags.BoolVar(&t.search.NoAnonymous, "no-anon", false, "leave out segments without a name")
	c.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	c.AddCommand(
		t.lsCommand(), t.showCommand(), t.psCommand(), t.locksCommand(), t.poolCommand(), t.topCommand(), t.watchCommand(),
		t.doctorCommand(), t.checkCommand(), t.gcCommand(), t.rmCommand(), t.dumpCommand(), t.headerCommand(), t.benchCommand(),
		t.manCommand(), t.versionCommand(),
	)
	return c
}

// bounded is the context of a command, which ends after the time-out.
func (t *tool) bounded(c *cobra.Command) (context.Context, context.CancelFunc) {
	if t.timeout <= 0 {
		return context.WithCancel(c.Context())
	}
	return context.WithTimeout(c.Context(), t.timeout)
}

// schema is the version of the JSON.
const schema = 1

// An answer is what every command writes as JSON.
type answer struct {
	Schema  int       `json:"schema"`
	Command string    `json:"command"`
	Time    time.Time `json:"time"`

	Segments any               `json:"segments,omitempty"`
	Result   any               `json:"result,omitempty"`
	Skipped  []inspect.Skipped `json:"skipped"`
}

func (t *tool) time() time.Time {
	if t.now != nil {
		return t.now()
	}
	return time.Now()
}

// write writes an answer as JSON, or as text, with what was skipped on the side.
func (t *tool) write(command string, a answer, text func() string) error {
	if t.json {
		return t.writeJSON(command, a)
	}
	t.skippedText(a.Skipped)
	return t.printf("%s", text())
}

// stamped is an answer with what all have.
func (t *tool) stamped(command string, a answer) answer {
	a.Schema, a.Command, a.Time, a.Skipped = schema, command, t.time(), orEmpty(a.Skipped)
	return a
}

// writeJSON writes an answer as one object.
func (t *tool) writeJSON(command string, a answer) error {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(t.stamped(command, a)); err != nil {
		return err
	}
	_, err := t.out.Write(b.Bytes())
	return err
}

// writeLine is writeJSON in one line.
func (t *tool) writeLine(command string, a answer) error {
	b, err := json.Marshal(t.stamped(command, a))
	if err == nil {
		_, err = t.out.Write(append(b, '\n'))
	}
	return err
}

// colours reports whether text is coloured.
func (t *tool) colours() bool {
	switch t.color {
	case "always":
		return true
	case "never":
		return false
	}
	f, ok := t.out.(*os.File)
	return ok && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" && term.IsTerminal(int(f.Fd()))
}

// trouble is a mark in front of what needs attention; the colour repeats what the mark says.
func (t *tool) trouble(is bool) string {
	switch {
	case !is:
		return " "
	case t.colours():
		return "\x1b[1;31m!\x1b[0m"
	}
	return "!"
}

func (t *tool) printf(format string, args ...any) error {
	_, err := fmt.Fprintf(t.out, format, args...)
	return err
}

// skippedText names on the side what could not be read.
func (t *tool) skippedText(skipped []inspect.Skipped) {
	if t.quiet {
		return
	}
	for _, s := range skipped {
		fmt.Fprintf(t.err, "%s: %s\n", quoted(s.Path), s.Reason)
	}
}
