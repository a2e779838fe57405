//go:build linux

package shmsync_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// Sandboxes, old kernels and odd file systems refuse system calls, each with an error number of its
// own.
var refusalErrnos = []syscall.Errno{
	unix.EPERM, unix.EACCES, unix.ENOSYS, unix.ENOENT, unix.EXDEV, unix.EINVAL, unix.EOPNOTSUPP,
}

const (
	tmpfile    = unix.O_TMPFILE
	openatFlag = 2 // argument of openat
)

// refusals are the system calls for which there is a substitute, alone and together.
var refusals = map[string]func(errno syscall.Errno) []proctest.Refusal{
	"memfd_create": func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_MEMFD_CREATE) },
	"flags of memfd_create": func(e syscall.Errno) []proctest.Refusal {
		return []proctest.Refusal{
			proctest.RefuseFlag(e, unix.SYS_MEMFD_CREATE, 1, unix.MFD_NOEXEC_SEAL),
			proctest.RefuseFlag(e, unix.SYS_MEMFD_CREATE, 1, unix.MFD_ALLOW_SEALING),
		}
	},
	"seals": func(e syscall.Errno) []proctest.Refusal {
		return []proctest.Refusal{proctest.RefuseValue(e, unix.SYS_FCNTL, 1, unix.F_ADD_SEALS)}
	},
	"memfd_create and O_TMPFILE": func(e syscall.Errno) []proctest.Refusal {
		return append(proctest.Refuse(e, unix.SYS_MEMFD_CREATE), proctest.RefuseFlag(e, unix.SYS_OPENAT, openatFlag, tmpfile))
	},
	"O_TMPFILE": func(e syscall.Errno) []proctest.Refusal {
		return []proctest.Refusal{proctest.RefuseFlag(e, unix.SYS_OPENAT, openatFlag, tmpfile)}
	},
	"hard links": func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_LINKAT) },
	"hard links and O_TMPFILE": func(e syscall.Errno) []proctest.Refusal {
		return append(proctest.Refuse(e, unix.SYS_LINKAT), proctest.RefuseFlag(e, unix.SYS_OPENAT, openatFlag, tmpfile))
	},
	"renameat2 and O_TMPFILE": func(e syscall.Errno) []proctest.Refusal {
		return append(proctest.Refuse(e, unix.SYS_RENAMEAT2), proctest.RefuseFlag(e, unix.SYS_OPENAT, openatFlag, tmpfile))
	},
	"fallocate":  func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_FALLOCATE) },
	"ftruncate":  func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_FTRUNCATE) },
	"file modes": func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_FCHMOD, unix.SYS_FCHOWN) },
	"fstatfs":    func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_FSTATFS) },
	"getrandom":  func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_GETRANDOM) },
	"file locks": refusedLocks,
	"robust lists": func(e syscall.Errno) []proctest.Refusal {
		return proctest.Refuse(e, unix.SYS_SET_ROBUST_LIST)
	},
	"futex_waitv": func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_FUTEX_WAITV) },
	"membarrier":  func(e syscall.Errno) []proctest.Refusal { return proctest.Refuse(e, unix.SYS_MEMBARRIER) },
	"clock_gettime": func(e syscall.Errno) []proctest.Refusal {
		return proctest.Refuse(e, unix.SYS_CLOCK_GETTIME)
	},
	"all that is new": func(e syscall.Errno) []proctest.Refusal {
		return slices.Concat(refusedLocks(e), proctest.Refuse(e, unix.SYS_MEMFD_CREATE, unix.SYS_FUTEX_WAITV,
			unix.SYS_MEMBARRIER, unix.SYS_GETRANDOM, unix.SYS_LINKAT, unix.SYS_FALLOCATE, unix.SYS_PIDFD_OPEN,
			// libc knows no other
			unix.SYS_PIDFD_SEND_SIGNAL, unix.SYS_RSEQ), proctest.Refuse(unix.ENOSYS, unix.SYS_CLONE3))
	},
}

func refusedLocks(e syscall.Errno) (all []proctest.Refusal) {
	for _, command := range []uint32{unix.F_OFD_SETLK, unix.F_OFD_SETLKW, unix.F_OFD_GETLK} {
		all = append(all, proctest.RefuseValue(e, unix.SYS_FCNTL, 1, command))
	}
	return all
}

// confined: DIR [no procfs]. It makes an anonymous segment, and of eight that make the named one
// together exactly one does. Then it locks what it is told, until it is killed.
var roleConfined = proctest.Register("confined", func(args []string) {
	if len(args) > 1 {
		must(unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(unix.Mount("none", "/proc", "tmpfs", 0, ""))
	}
	seg, err := shm.Anonymous(shm.Options{})
	must(err)
	useOnce(seg)
	must(seg.Close())
	path := filepath.Join(args[0], "segment")
	var made atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			seg, err := shm.Create(path, shm.Options{})
			if !errors.Is(err, fs.ErrExist) {
				must(err)
				made.Add(1)
				must(seg.Close())
			}
		})
	}
	wg.Wait()
	proctest.Say("made %d", made.Load())
	seg, err = shm.Open(path)
	must(err)
	useOnce(seg)
	again, err := shm.FromFile(seg.File())
	must(err)
	useOnce(again)
	must(again.Close())
	a := &agency{seg: seg, locks: map[string]*shmsync.Mutex{}}
	for {
		switch order := proctest.Hear(); order {
		case "remove":
			must(seg.Close())
			proctest.Say("%v", shm.Remove(path))
		default:
			proctest.Say("%s", verdict(a.obey("lock", order)))
		}
	}
})

// useOnce does what may need space, and a sleep.
func useOnce(seg *shm.Segment) {
	_, err := shm.NewRawArray[byte](seg, "array", 1<<20)
	must(err)
	m, err := shmsync.NewMutex(seg, "mutex", shmsync.MutexOptions{})
	must(err)
	must(m.Lock(background))
	locked := make(chan error)
	go func() { locked <- m.Lock(background) }()
	m.Unlock()
	must(<-locked)
	m.Unlock()
}

// A confined process makes segments and shares them with one that is not. Each is told of the
// other's death.
func shareConfined(t *testing.T, dir string, child *proctest.Child) {
	child.Start()
	child.Expect("made 1")
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("%d files in the directory, %v", len(left), err)
	}
	seg, err := shm.Open(filepath.Join(dir, "segment"))
	if err != nil {
		t.Fatal(err)
	}
	told(t, child, "a", "ok")
	free := startAgent(t, seg)
	told(t, free, "lock b", "ok")
	child.Send("b")
	free.Kill()
	child.Expect("owner died")
	waits := make(chan error)
	m := newMutex(t, seg, "a")
	go func() { waits <- m.Lock(background) }()
	child.Kill()
	wantErr(t, "after the death of the confined one", <-waits, shmsync.ErrOwnerDied)
	repair(t, m)
	if err := seg.Close(); err != nil {
		t.Error(err)
	}
}

// alone skips a test of what is refused where something else is missing, too, which can be more
// than there are substitutes for.
func alone(t *testing.T) {
	t.Helper()
	if os.Getenv(futex.FallbackEnv) != "" {
		t.Skip("facilities are switched off")
	}
}

// errnosFor returns the error numbers for the i-th refusal: all with SHMKIT_LONG=1, by default
// those of sandboxes and old kernels and one of the others, in turn.
func errnosFor(i int) []syscall.Errno {
	if long {
		return refusalErrnos
	}
	others := slices.DeleteFunc(slices.Clone(refusalErrnos), func(e syscall.Errno) bool {
		return e == unix.EPERM || e == unix.ENOSYS
	})
	return []syscall.Errno{unix.EPERM, unix.ENOSYS, others[i%len(others)]}
}

func TestRefusedSystemCallsHaveSubstitutes(t *testing.T) {
	t.Parallel()
	alone(t)
	for i, name := range slices.Sorted(maps.Keys(refusals)) {
		refuse := refusals[name]
		t.Run(name, func(t *testing.T) {
			for _, errno := range errnosFor(i) {
				dir := proctest.Dir(t)
				child := proctest.Command(t, roleConfined, dir)
				child.Cmd.Env = append(child.Cmd.Env, "SHMKIT_DIR="+dir)
				child.Confine(refuse(errno)...)
				shareConfined(t, dir, child)
			}
		})
	}
}

// roleFails says the error of making a segment.
var roleFails = proctest.Register("fails confined", func(args []string) {
	_, err := shm.Create(filepath.Join(args[0], "segment"), shm.Options{})
	proctest.Say("%v", err)
	_, err = shm.Anonymous(shm.Options{})
	proctest.Say("%v", err)
})

// Where there is no substitute, one error names what is missing.
func TestRefusedSystemCallsAreNamed(t *testing.T) {
	for _, c := range []struct {
		name             string
		refuse           []proctest.Refusal
		named, anonymous []string // what the errors say; none: no error
	}{
		{"all names", append(proctest.Refuse(unix.EPERM, unix.SYS_LINKAT), proctest.Refuse(unix.EXDEV, unix.SYS_RENAMEAT2)...),
			[]string{"segment", "renameat2", "hard link", "cross-device", "not permitted", "allow one"}, nil},
		{"all signs of life", append(refusedLocks(unix.EINVAL), proctest.Refuse(unix.ENOSYS, unix.SYS_SET_ROBUST_LIST)...),
			[]string{"segment", "set_robust_list", "F_OFD_SETLK", "invalid argument", "allow one"},
			[]string{"set_robust_list", "F_OFD_SETLK", "invalid argument", "allow one"}},
		{"all files", append(proctest.Refuse(unix.EPERM, unix.SYS_MEMFD_CREATE),
			proctest.RefuseFlag(unix.EROFS, unix.SYS_OPENAT, openatFlag, unix.O_CREAT),
			proctest.RefuseFlag(unix.EOPNOTSUPP, unix.SYS_OPENAT, openatFlag, tmpfile)),
			[]string{"segment", "read-only file system"},
			[]string{"memfd_create", "not permitted", "in its place", "read-only file system"}},
		{"shared mappings", []proctest.Refusal{proctest.RefuseFlag(unix.EACCES, unix.SYS_MMAP, 3, unix.MAP_SHARED)},
			[]string{"map", "segment", "permission denied"}, []string{"map", "permission denied"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := proctest.CleanDir(t)
			child := proctest.Command(t, roleFails, dir)
			child.Cmd.Env = append(child.Cmd.Env, "SHMKIT_DIR="+dir)
			child.Confine(c.refuse...)
			child.Start()
			for _, parts := range [][]string{c.named, c.anonymous} {
				line := child.Line()
				if parts == nil && line != "<nil>" {
					t.Errorf("%s", line)
				}
				for _, part := range parts {
					if !strings.Contains(line, part) {
						t.Errorf("the error does not say %q: %s", part, line)
					}
				}
			}
			child.WaitOK()
		})
	}
}

// Removing a segment leaves nothing, whichever calls are refused.
func TestRefusedSystemCallsLeaveNoFiles(t *testing.T) {
	t.Parallel()
	alone(t)
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			dir := proctest.CleanDir(t)
			child := proctest.Command(t, roleConfined, dir)
			child.Cmd.Env = append(child.Cmd.Env, "SHMKIT_DIR="+dir)
			child.Confine(refuse(unix.EACCES)...)
			child.Start()
			child.Expect("made 1")
			told(t, child, "remove", "<nil>")
			child.Kill()
		})
	}
}

func TestWithoutProcfs(t *testing.T) {
	alone(t)
	dir := proctest.Dir(t)
	child := proctest.Command(t, roleConfined, dir, "no procfs")
	child.Cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNS}
	if os.Geteuid() != 0 {
		t.Skip("mounts need the rights of root")
	}
	shareConfined(t, dir, child)
}
