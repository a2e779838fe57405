package child

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/prometheus/procfs"
)

// An Identity tells a process from all others, before it and after it: by the time of its start
// beside its id. The zero value is a process that nothing is known of.
type Identity struct {
	pid   int
	start uint64 // of the process, in ticks since the boot
	space string // the PID namespace in which pid counts
}

// unknownIdentity is the text of an Identity that nothing is known of.
const unknownIdentity = "?"

// Self is the identity of this process, or the zero value where /proc does not tell.
var Self = sync.OnceValue(func() Identity {
	space, err := pidSpace()
	if err != nil {
		return Identity{}
	}
	stat, err := statOf(os.Getpid())
	if err != nil {
		return Identity{}
	}
	return Identity{pid: os.Getpid(), start: stat.Starttime, space: space}
})

func statOf(pid int) (procfs.ProcStat, error) {
	proc, err := procfs.NewProc(pid)
	if err != nil {
		return procfs.ProcStat{}, err
	}
	return proc.Stat()
}

// pidSpace names the PID namespace of this process.
func pidSpace() (string, error) {
	link, err := os.Readlink("/proc/self/ns/pid")
	return strings.Trim(link, "pid:[]"), err
}

// Ended reports whether the process is known to have ended. One of another PID namespace, or of
// which /proc does not tell, is not.
func (id Identity) Ended() bool {
	me := Self()
	if id == (Identity{}) || me == (Identity{}) || id.space != me.space {
		return false
	}
	stat, err := statOf(id.pid)
	if err != nil {
		return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH)
	}
	return stat.Starttime != id.start || stat.State == "Z" || stat.State == "X"
}

// String is the text that [ParseIdentity] reads.
func (id Identity) String() string {
	if id == (Identity{}) {
		return unknownIdentity
	}
	return fmt.Sprintf("%d.%d.%s", id.pid, id.start, id.space)
}

// ParseIdentity is the opposite of [Identity.String].
//
// Errors: the text is not one.
func ParseIdentity(text string) (Identity, error) {
	if text == unknownIdentity {
		return Identity{}, nil
	}
	wrong := fmt.Errorf("%q does not identify a process", text)
	fields := strings.Split(text, ".")
	if len(fields) != 3 || fields[2] == "" {
		return Identity{}, wrong
	}
	pid, err := strconv.Atoi(fields[0])
	if err != nil || pid <= 0 {
		return Identity{}, wrong
	}
	start, err := strconv.ParseUint(fields[1], 10, 64)
	if err != nil {
		return Identity{}, wrong
	}
	return Identity{pid, start, fields[2]}, nil
}
