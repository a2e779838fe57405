package child

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/procfs"
)

// self leads to the program that is running, even when its file was replaced meanwhile.
const self = "/proc/self/exe"

// startArgs are the arguments of this process, whatever the program makes of os.Args later.
var startArgs = slices.Clone(os.Args)

// loading is what stood before the program's own arguments when this process was started: a loader,
// its options and the path of the program, as in "ld-linux.so PROGRAM ARGUMENT…". It is nil for a
// program that the kernel has loaded, which is one for which [self] leads to the program itself.
var loading = sync.OnceValue(func() []string {
	program, known := programFile()
	exe, err := os.Readlink(self)
	if err != nil || !known || program == exe {
		return nil
	}
	b, err := os.ReadFile("/proc/self/cmdline")
	if err != nil {
		return nil
	}
	line := strings.Split(strings.TrimSuffix(string(b), "\x00"), "\x00")
	n := len(line) - len(startArgs) // the index of the program, if a loader has taken itself away
	if n <= 0 || !slices.Equal(line[n+1:], startArgs[1:]) {
		// the program is a library of another one, which it starts again with its arguments
		return nil
	}
	if line = line[:n+1]; !filepath.IsAbs(line[n]) {
		line[n] = program // the working directory may have changed
	}
	return line
})

// programFile is the path of the file that this code is mapped from.
func programFile() (path string, known bool) {
	proc, err := procfs.Self()
	if err != nil {
		return "", false
	}
	maps, err := proc.ProcMaps()
	if err != nil {
		return "", false
	}
	here := reflect.ValueOf(programFile).Pointer()
	for _, m := range maps {
		if m.StartAddr <= here && here < m.EndAddr {
			return m.Pathname, filepath.IsAbs(m.Pathname)
		}
	}
	return "", false
}

// programs are the paths by which this program can be started again, the best first. The second one
// is for systems without /proc, and for those that refuse to execute [self].
func programs() []string {
	path, err := os.Executable()
	if err != nil {
		return []string{self}
	}
	running, err := os.Stat(self)
	if err != nil {
		return []string{self, path}
	}
	if named, err := os.Stat(path); err == nil && os.SameFile(running, named) {
		return []string{self, path}
	}
	return []string{self}
}

// Program says what [Start] starts, for errors: the file that /proc/self/exe leads to.
func Program() string {
	if exe, err := os.Readlink(self); err == nil {
		return exe
	}
	return self
}

// arguments are those of a new process: args, or those of this process if that is nil.
func arguments(args []string) []string {
	if args == nil {
		args = os.Args
	}
	before := loading()
	if before == nil || len(args) == 0 {
		return args
	}
	return append(slices.Clone(before), args[1:]...)
}
