//go:build linux

package mapping

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A control group of either version, of this process or above it, that has no room is an error
// which names it and says how much is free. What it could give back at once counts as free. Nothing
// is taken.
func TestReserveLooksAtTheControlGroup(t *testing.T) {
	defer func(file, root string) { groupFile, groupRoot = file, root }(groupFile, groupRoot)
	for name, c := range map[string]struct {
		self, dir, limit, usage, key string
	}{
		"version 2":            {"0::/a/b\n", "a/b", "memory.max", "memory.current", "inactive_file"},
		"version 2, above":     {"0::/a/b\n", "a", "memory.max", "memory.current", "inactive_file"},
		"version 1":            {"7:pids:/x\n4:cpu,memory:/a/b\n0::/\n", "memory/a/b", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
		"version 1, container": {"4:memory:/elsewhere/id\n", "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			groupFile, groupRoot = filepath.Join(root, "self"), root
			write := func(path, text string) {
				path = filepath.Join(root, path)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			write("self", c.self)
			write(filepath.Join(c.dir, c.limit), "157286400\n")
			write(filepath.Join(c.dir, c.usage), "57286400\n")
			write(filepath.Join(c.dir, "memory.stat"), "anon 5\n"+c.key+" 10000000\n")
			f, err := Anonymous("limited", 300<<20)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			var full *NoSpaceError
			err = Reserve(f, 0, 300<<20)
			if !errors.As(err, &full) || full.Free != 110000000 || full.Need != 300<<20 || full.Group != filepath.Join(root, c.dir) {
				t.Fatalf("%v", err)
			}
			for _, text := range []string{full.Group, "control group", "raise"} {
				if !strings.Contains(err.Error(), text) {
					t.Errorf("%v: does not say %q", err, text)
				}
			}
			if st, err := Stat(f); err != nil || st.RealBytes != 0 {
				t.Errorf("%d bytes were taken, %v", st.RealBytes, err)
			}
			if err := Reserve(f, 0, 1<<20); err != nil {
				t.Error(err)
			}
			write(filepath.Join(c.dir, c.limit), "max\n")
			if err := Reserve(f, 0, 120<<20); err != nil {
				t.Errorf("without a limit: %v", err)
			}
		})
	}
}
