package mapping

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Memory of a file in memory counts for the control group of the process that makes it real. When
// the group has no more, the kernel ends one of its processes: no call fails. So Reserve looks
// before.

// Where the kernel tells of control groups. Tests change them.
var (
	groupFile = "/proc/self/cgroup"
	groupRoot = "/sys/fs/cgroup"
)

// lookBytes is what is taken without a look: less than the kernel itself needs to work with.
const lookBytes = 256 << 10

// groupLacks returns the error for n more bytes of memory if a control group of this process has no
// room for them, and f is a file in memory.
func groupLacks(f *os.File, n int64) error {
	if n < lookBytes || !inMemory(f) {
		return nil
	}
	b, err := os.ReadFile(groupFile)
	if err != nil {
		return nil // no control groups, or none that can be seen
	}
	for line := range strings.Lines(string(b)) {
		id, controllers, path := cut3(strings.TrimSpace(line))
		var lacks error
		switch {
		case id == "0" && controllers == "":
			lacks = lacksIn(f, n, groupRoot, path, "memory.max", "memory.current", "inactive_file ")
		case strings.Contains(","+controllers+",", ",memory,"):
			lacks = lacksIn(f, n, filepath.Join(groupRoot, "memory"), path, "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file ")
		}
		if lacks != nil {
			return lacks
		}
	}
	return nil
}

// cut3 cuts a line of /proc/self/cgroup at its first two colons.
func cut3(line string) (id, controllers, path string) {
	id, rest, _ := strings.Cut(line, ":")
	controllers, path, _ = strings.Cut(rest, ":")
	return id, controllers, path
}

// lacksIn looks at a group and at those above it, which have limits, too. In a container the path
// may differ from the one that is seen there. A group that does not exist has no limit.
func lacksIn(f *os.File, n int64, root, path, limitFile, usageFile, reclaimable string) error {
	for dir := filepath.Join(root, path); strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		limit, ok := number(filepath.Join(dir, limitFile))
		if !ok {
			continue
		}
		used, ok := number(filepath.Join(dir, usageFile))
		if !ok {
			continue
		}
		free := max(limit-used+stat(filepath.Join(dir, "memory.stat"), reclaimable), 0)
		if n > free {
			return &NoSpaceError{Path: f.Name(), Need: n, Free: free, Group: dir}
		}
	}
	return nil
}

// number reads a file that holds one, and reports false when there is none.
func number(path string) (int64, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64) // "max" is none
	return n, err == nil
}

// stat is the number behind a key in a file of keys and numbers, 0 when there is none.
func stat(path, key string) int64 {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, key); ok {
			n, _ := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
			return n
		}
	}
	return 0
}

// inMemory reports whether f is in a file system in memory.
func inMemory(f *os.File) bool {
	switch fileSystem(f) {
	case unix.TMPFS_MAGIC, unix.RAMFS_MAGIC:
		return true
	}
	return false
}
