package main

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"

	"github.com/shmkit/shmkit/internal/segment"
)

func (t *tool) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "man [DIRECTORY]",
		Short:   "Write the manual page, or those of all commands into a directory",
		Example: "  shmkit man | man -l -",
		Args:    needs(0, 1, "man needs one directory at most"),
		RunE: func(c *cobra.Command, args []string) error {
			root := c.Root()
			root.DisableAutoGenTag = true
			header := &doc.GenManHeader{Title: "SHMKIT", Section: "1", Source: "shmkit", Manual: "Shared memory"}
			if len(args) == 1 {
				return doc.GenManTree(root, header, args[0])
			}
			return doc.GenMan(root, header, t.out)
		},
	}
}

func (t *tool) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Show the version of the program, and of the format that it reads",
		Args:  noArgs,
		RunE: func(*cobra.Command, []string) error {
			version := "unknown"
			if info, ok := debug.ReadBuildInfo(); ok {
				version = info.Main.Version
			}
			if t.json {
				return t.writeJSON("version", answer{Result: map[string]any{"version": version, "format": segment.Version}})
			}
			return t.printf("%s", fmt.Sprintf("shmkit %s, reads format %d\n", version, segment.Version))
		},
	}
}
