package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/inspect"
	"github.com/shmkit/shmkit/internal/segment"
)

// A leftover is a file that no process may need.
type leftover struct {
	Path       string    `json:"path"`
	Reason     string    `json:"reason"`
	Bytes      int64     `json:"reservedBytes"`
	LastAttach time.Time `json:"lastAttach,omitzero"`
	Deleted    bool      `json:"deleted"`
	Refused    string    `json:"refused,omitempty"`

	remove func() error
}

// A sweep says what gc looks for.
type sweep struct {
	remove, check, unused bool
	older                 time.Duration
}

func (t *tool) gcCommand() *cobra.Command {
	var o sweep
	c := &cobra.Command{
		Use:   "gc",
		Short: "Show what is left behind; -delete removes it",
		Long: `Gc shows temporary files of creators that were killed, and segments that no program of this version
can open. With -all-unused it also shows segments that no living process has open: that is no
garbage by itself, as a segment keeps what a program has left for its next run.

Nothing is removed without -delete, and then only what no living process has open.`,
		Example: "  shmkit gc\n  shmkit gc -all-unused -older 24h -delete",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			found, skipped := t.leftovers(o)
			if o.remove {
				for i := range found {
					if err := found[i].remove(); err != nil {
						found[i].Refused = err.Error()
					} else {
						found[i].Deleted = true
					}
				}
			}
			t.bad = o.check && len(found) > 0
			a := answer{Result: map[string]any{"leftovers": orEmpty(found)}, Skipped: skipped}
			return t.write("gc", a, func() string { return leftoverText(found) })
		},
	}
	c.Flags().BoolVar(&o.remove, "delete", false, "remove what is shown")
	c.Flags().BoolVar(&o.check, "check", false, "exit code 1 if there is something to remove")
	c.Flags().BoolVar(&o.unused, "all-unused", false, "also segments that no living process has open")
	c.Flags().DurationVar(&o.older, "older", time.Minute, "leave out what was in use later than this ago")
	return c
}

func (t *tool) leftovers(o sweep) (found []leftover, skipped []inspect.Skipped) {
	old := t.time().Add(-o.older)
	for _, dir := range t.search.Dirs() {
		found = append(found, temporary(dir, old)...)
	}
	files, skipped := t.search.Find()
	defer (&view{files: files}).close()
	for _, f := range files {
		if f.Stat.Links == 0 || strings.HasPrefix(f.Path, "memfd:") {
			continue // ends with the last process that has it open
		}
		s, err := inspect.Read(f)
		one := leftover{Path: f.Path, Bytes: f.Stat.Real, remove: func() error { return segment.RemoveUnused(f.Path) }}
		switch {
		case err != nil && f.Stat.Modified.Before(old):
			one.Reason = strings.TrimPrefix(err.Error(), f.Path+": ")
		case err == nil && o.unused && s.Living == 0 && f.Stat.Modified.Before(old) && s.LastAttach.Before(old):
			one.Reason, one.LastAttach = "no living process has it open", s.LastAttach
		default:
			continue
		}
		found = append(found, one)
	}
	return found, skipped
}

// temporary are files of creators that were killed before their segment had a name.
func temporary(dir string, old time.Time) (found []leftover) {
	names, _ := filepath.Glob(filepath.Join(dir, ".shmkit-*"))
	for _, path := range names {
		fi, err := os.Lstat(path)
		if err != nil || !fi.Mode().IsRegular() || !fi.ModTime().Before(old) {
			continue
		}
		found = append(found, leftover{
			Path: path, Bytes: fi.Size(), Reason: "was left by a process that died while it made a segment",
			remove: func() error { return removeTemporary(path) },
		})
	}
	return found
}

// removeTemporary removes a temporary file, which may have no header yet, if no process has it
// locked.
func removeTemporary(path string) error {
	err := segment.RemoveUnused(path)
	if errors.Is(err, inspect.ErrFormat) {
		err = segment.RemoveTemporary(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func leftoverText(found []leftover) string {
	if len(found) == 0 {
		return "nothing is left behind\n"
	}
	text := ""
	for _, l := range found {
		state := ""
		switch {
		case l.Deleted:
			state = "removed: "
		case l.Refused != "":
			state = "not removed, " + quoted(l.Refused) + ": "
		}
		when := ""
		if !l.LastAttach.IsZero() {
			when = ", last opened " + l.LastAttach.UTC().Format(time.RFC3339)
		}
		text += fmt.Sprintf("%s%s: %s, %s%s\n", state, quoted(l.Path), size(l.Bytes), l.Reason, when)
	}
	return text
}
