//go:build linux

package shm_test

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// unnoticed are the calls that a process may make for a file which it only reads: no other process
// can notice them.
var unnoticed = regexp.MustCompile(`^(pread64|fstat|fstatfs|newfstatat|statx|close|readlinkat?|lseek)\(|` +
	`^openat\([^)]*(O_RDONLY|O_PATH)|^mmap\([^)]*PROT_READ, MAP_SHARED,|^fcntl\([^)]*(F_GETFL|F_GETFD|F_DUPFD_CLOEXEC)|^epoll_ctl\(|^write\(1`)

var (
	changing = regexp.MustCompile(`O_(RDWR|WRONLY|CREAT|TRUNC|APPEND)|PROT_WRITE`)
	mapped   = regexp.MustCompile(`^mmap\(NULL, (\d+), PROT_READ, MAP_SHARED, .* = (0x[0-9a-f]+)`)
	onWord   = regexp.MustCompile(`^futex\((0x[0-9a-f]+), (\w+)`)
)

// A process that only reads calls every method of every handle, and makes no system call for the
// segment that another process could notice: it opens the file to read, maps it to read, takes no
// lock, and wakes no sleeper of the segment's words.
func TestReadOnlyLeavesNoTrace(t *testing.T) {
	path := newPath(t)
	wantOK(t, os.WriteFile(path, writeGolden(t), 0o600))
	calls := proctest.Command(t, roleWalker, path).Trace()
	var low, high uint64
	for _, call := range calls {
		if m := mapped.FindStringSubmatch(call); m != nil && strings.Contains(call, path) {
			low = need(strconv.ParseUint(m[2], 0, 64))
			high = low + need(strconv.ParseUint(m[1], 10, 64))
		}
	}
	if low == 0 {
		t.Fatal("the log shows no mapping of the segment for reading")
	}
	for _, call := range calls {
		if m := onWord.FindStringSubmatch(call); m != nil {
			word := need(strconv.ParseUint(m[1], 0, 64))
			if low <= word && word < high && !strings.HasPrefix(m[2], "FUTEX_WAIT") {
				t.Errorf("the reader calls %s, for a word of the segment", call)
			}
			continue
		}
		if strings.Contains(call, path) && !strings.HasPrefix(call, "execve(") && (!unnoticed.MatchString(call) || changing.MatchString(call)) {
			t.Errorf("the reader calls %s", call)
		}
	}
}
