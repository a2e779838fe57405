package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/segment"
)

func (t *tool) rmCommand() *cobra.Command {
	force := false
	c := &cobra.Command{
		Use:               "rm SEGMENT…",
		Short:             "Remove segments that no living process has open",
		Example:           "  shmkit rm visits",
		Args:              needs(1, -1, "rm needs the name of a segment"),
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			var failed []error
			removed := []string{}
			for _, name := range args {
				path, err := t.pathOf(name)
				if err == nil {
					if err = segment.RemoveUnused(path); errors.Is(err, fs.ErrNotExist) && force {
						continue
					}
				}
				if err != nil {
					failed = append(failed, err)
					continue
				}
				removed = append(removed, path)
			}
			if t.json {
				if err := t.writeJSON("rm", answer{Result: map[string][]string{"removed": removed}}); err != nil {
					return err
				}
			}
			return errors.Join(failed...)
		},
	}
	c.Flags().BoolVarP(&force, "force", "f", false, "a segment that is not there is no error")
	return c
}

// pathOf is the path of the segment that a name means, which need not be readable.
func (t *tool) pathOf(name string) (string, error) {
	if strings.HasPrefix(name, "@") {
		return "", usageError{fmt.Errorf("%s: a segment without a name ends with the last process that has it open", name)}
	}
	if strings.HasPrefix(name, "id:") {
		files, err := t.search.Locate(name)
		if err != nil {
			return "", err
		}
		defer (&view{files: files}).close()
		if len(files) != 1 || files[0].Stat.Links == 0 {
			return "", usageError{fmt.Errorf("%s: means %d segments: name one", name, len(files))}
		}
		return files[0].Path, nil
	}
	return t.search.Path(name)
}
