package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/inspect"
)

// A finding is what one check of the doctor has found.
type finding struct {
	Check  string `json:"check"`
	Status string `json:"status"` // ok, warn, fail
	Text   string `json:"text"`
	Fix    string `json:"fix,omitempty"` // a command, which the doctor does not run
}

const (
	ok   = "ok"
	warn = "warn"
	fail = "fail"
)

func (t *tool) doctorCommand() *cobra.Command {
	fixes := false
	c := &cobra.Command{
		Use:               "doctor [SEGMENT…]",
		Short:             "Check the machine and the segments; exit code 1 for a failed check",
		Example:           "  shmkit doctor\n  shmkit doctor -fix",
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			return t.onView(c, args, func(_ context.Context, v *view) error {
				var all []finding
				for _, check := range machineChecks {
					all = append(all, check(t)...)
				}
				all = append(all, t.segmentFindings(v)...)
				for _, f := range all {
					t.bad = t.bad || f.Status == fail
				}
				a := answer{Result: map[string]any{"findings": all}, Skipped: v.skipped}
				return t.write("doctor", a, func() string { return t.findingsText(all, fixes) })
			})
		},
	}
	c.Flags().BoolVar(&fixes, "fix", false, "show only the commands that would help; none is run")
	return c
}

func (t *tool) findingsText(all []finding, fixes bool) string {
	var b strings.Builder
	for _, f := range all {
		if fixes {
			if f.Fix != "" && f.Status != ok {
				fmt.Fprintf(&b, "%s # %s\n", f.Fix, f.Text)
			}
			continue
		}
		fmt.Fprintf(&b, "%s %-4s  %-12s %s\n", t.trouble(f.Status != ok), f.Status, f.Check, f.Text)
		if f.Fix != "" && f.Status != ok {
			fmt.Fprintf(&b, "                     %s\n", f.Fix)
		}
	}
	return b.String()
}

var machineChecks = []func(t *tool) []finding{checkKernel, checkMemoryDir, checkOwnDir, checkProcessors, checkLimits, checkLogin}

// is is a finding of a check that is either in order or not.
func is(check string, good bool, bad, text, otherwise, fix string) finding {
	if good {
		return finding{Check: check, Status: ok, Text: text}
	}
	return finding{Check: check, Status: bad, Text: otherwise, Fix: fix}
}

func checkKernel(*tool) []finding {
	var name unix.Utsname
	release := "unknown"
	if unix.Uname(&name) == nil {
		release = unix.ByteSliceToString(name.Release[:])
	}
	return []finding{
		{Check: "kernel", Status: ok, Text: "Linux " + release},
		is("waitv", futex.HasWaitAny(), warn, "the kernel wakes a waiter of several words at once (futex_waitv)",
			"waiters look every few milliseconds, as the kernel refuses futex_waitv: it needs Linux 5.16, and a sandbox that allows it", ""),
		is("membarrier", futex.Membarrier(), warn, "deaths are confirmed by membarrier",
			"deaths are confirmed by a short sleep, as the kernel refuses membarrier", ""),
		is("robust", hasRobustLists(), warn, "the kernel tells of deaths at once (robust lists)",
			"deaths are found by looking every few milliseconds, as the kernel refuses robust lists", ""),
		is("memfd", hasMemoryFiles(), warn, "segments without a name are files of memory",
			"segments without a name are files in the directory of segments, as the kernel refuses memfd_create", ""),
	}
}

func hasRobustLists() bool {
	if futex.Disabled("robust") {
		return false
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SET_ROBUST_LIST, 0, 1, 0) // an impossible length
	return errno == unix.EINVAL
}

func hasMemoryFiles() bool {
	fd, err := unix.MemfdCreate("shmkit-doctor", unix.MFD_CLOEXEC)
	if err == nil {
		unix.Close(fd)
	}
	return err == nil
}

// Magic numbers of file systems.
const (
	tmpfsMagic   = 0x01021994
	nfsMagic     = 0x6969
	overlayMagic = 0x794c7630
	fuseMagic    = 0x65735546
)

func checkMemoryDir(*tool) []finding {
	const dir = "/dev/shm"
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return []finding{{Check: "memory", Status: fail, Text: dir + ": " + err.Error(), Fix: "export SHMKIT_DIR=/a/directory/of/tmpfs"}}
	}
	all, free := st.Blocks*uint64(st.Bsize), st.Bavail*uint64(st.Bsize)
	return []finding{
		is("memory", st.Type == tmpfsMagic, warn, dir+" is a tmpfs", dir+" is no tmpfs: segments there are files of a disk", ""),
		is("space", free > all/10, warn, fmt.Sprintf("%s of %s in %s are free", size(free), size(all), dir),
			fmt.Sprintf("only %s of %s in %s are free", size(free), size(all), dir), "mount -o remount,size=1G /dev/shm"),
	}
}

func checkOwnDir(t *tool) []finding {
	dir := t.search.Dirs()[0]
	fi, err := os.Lstat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return []finding{{Check: "directory", Status: ok, Text: dir + " is not there yet: the first program makes it"}}
	case err != nil:
		return []finding{{Check: "directory", Status: fail, Text: err.Error()}}
	case !fi.IsDir():
		return []finding{{Check: "directory", Status: fail, Text: dir + " is no directory", Fix: "rm " + dir}}
	}
	found := []finding{is("directory", fi.Mode().Perm()&0o077 == 0, fail, dir+" is this user's alone",
		dir+" can be entered by others, and is refused", "chmod 700 "+dir)}
	var st unix.Statfs_t
	if unix.Statfs(dir, &st) == nil && slices.Contains([]int64{nfsMagic, overlayMagic, fuseMagic}, st.Type) {
		found = append(found, finding{Check: "directory", Status: fail, Fix: "export SHMKIT_DIR=/dev/shm/app",
			Text: dir + " is on a network, overlay or FUSE file system, where processes may not see the same memory"})
	}
	return found
}

func checkProcessors(*tool) []finding {
	n := runtime.NumCPU()
	text := fmt.Sprintf("%d processors, GOMAXPROCS %d", n, runtime.GOMAXPROCS(0))
	return []finding{is("processors", n > 1, warn, text, text+": waiters sleep at once, as spinning is of no use", "")}
}

func checkLimits(*tool) []finding {
	var found []finding
	for _, l := range []struct {
		name     string
		resource int
		least    uint64
	}{{"open files", unix.RLIMIT_NOFILE, 1024}, {"address space", unix.RLIMIT_AS, 4 << 30}, {"processes", unix.RLIMIT_NPROC, 256}} {
		var limit unix.Rlimit
		if unix.Getrlimit(l.resource, &limit) != nil {
			continue
		}
		text := strconv.FormatUint(limit.Cur, 10)
		if limit.Cur == unix.RLIM_INFINITY {
			text = "no limit"
		}
		found = append(found, is("limits", limit.Cur >= l.least, warn, l.name+": "+text, l.name+": "+text+" are few", ""))
	}
	return found
}

// checkLogin warns where the login manager removes the files of a user that has logged out.
func checkLogin(t *tool) []finding {
	if os.Geteuid() < 1000 || !strings.HasPrefix(t.search.Dirs()[0], "/dev/shm/") {
		return nil
	}
	if _, err := os.Stat("/run/systemd/seats"); err != nil {
		return nil
	}
	b, _ := os.ReadFile("/etc/systemd/logind.conf")
	for line := range strings.Lines(string(b)) {
		if strings.TrimSpace(line) == "RemoveIPC=no" {
			return nil
		}
	}
	name := strconv.Itoa(os.Geteuid())
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return []finding{{Check: "login", Status: warn, Fix: "loginctl enable-linger " + name,
		Text: "segments in /dev/shm are removed when this user has logged out (RemoveIPC of logind)"}}
}

// segmentFindings are about the segments.
func (t *tool) segmentFindings(v *view) (found []finding) {
	byName := map[string][]string{}
	for _, s := range v.segments {
		for _, trouble := range s.Trouble {
			found = append(found, finding{Check: "segment", Status: warn, Text: quoted(s.Name) + ": " + trouble, Fix: fixOf(s)})
		}
		if n := len(s.Incidents); n > 0 {
			last := s.Incidents[n-1]
			found = append(found, finding{Check: "deaths", Status: ok, Text: fmt.Sprintf("%s: deaths %d, takeovers %d; %s ago %s",
				quoted(s.Name), s.Deaths, s.Takeovers, span(t.time().Sub(last.Time)), last)})
		}
		if s.EarlierBoot {
			found = append(found, finding{Check: "segment", Status: warn, Text: quoted(s.Name) + ": is of an earlier boot: the next process to open it clears its process table"})
		}
		if s.Kind == inspect.KindFile {
			byName[s.Name] = append(byName[s.Name], filepath.Dir(s.Path))
		}
		for _, p := range s.Processes() {
			if p.Living && p.State == "stopped" {
				found = append(found, finding{Check: "process", Status: warn, Text: fmt.Sprintf("%s: %s is stopped, and others may wait for it", quoted(s.Name), p.Process),
					Fix: fmt.Sprintf("kill -CONT %d", p.HostPID)})
			}
		}
	}
	for name, dirs := range byName {
		if len(dirs) > 1 {
			found = append(found, finding{Check: "names", Status: warn,
				Text: fmt.Sprintf("%s is in %s: programs of different users, or with different SHMKIT_DIR, do not meet by that name", quoted(name), strings.Join(dirs, " and "))})
		}
	}
	slices.SortStableFunc(found, func(a, b finding) int { return strings.Compare(a.Check+a.Text, b.Check+b.Text) })
	if len(found) == 0 {
		found = append(found, finding{Check: "segments", Status: ok, Text: fmt.Sprintf("%d segments, no trouble", len(v.segments))})
	}
	return found
}

func fixOf(s *inspect.Segment) string {
	if s.Cycles > 0 {
		return "shmkit locks " + quoted(s.Path)
	}
	return ""
}
