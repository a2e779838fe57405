package child

import (
	"fmt"
	"os"
	"strings"
)

// Surroundings are the environment, the files and the limits of a child.
type Surroundings struct {
	Env    []string
	Files  []*os.File
	CPUs   []int
	Nice   int
	Procs  int   // GOMAXPROCS
	Memory int64 // bytes
}

// Check returns an error for values that no child can have.
func (s Surroundings) Check() error {
	for i, f := range s.Files {
		if f == nil {
			return fmt.Errorf("entry Files[%d]: must not be nil", i)
		}
	}
	for _, e := range s.Env {
		if strings.IndexByte(e, '=') <= 0 || strings.ContainsRune(e, 0) {
			return fmt.Errorf("entry %q of Env: must be key=value", e)
		}
	}
	for _, cpu := range s.CPUs {
		if cpu < 0 {
			return fmt.Errorf("processor %d of CPUs: must not be negative", cpu)
		}
	}
	switch {
	case s.Nice < -20 || s.Nice > 19:
		return fmt.Errorf("niceness %d: must be from -20 to 19", s.Nice)
	case s.Procs < 0:
		return fmt.Errorf("GOMAXPROCS: %d: must not be negative", s.Procs)
	case s.Memory < 0:
		return fmt.Errorf("memory limit of %d bytes: must not be negative", s.Memory)
	}
	return nil
}

// Limits returns the bounds that the child sets itself.
func (s Surroundings) Limits() Limits {
	return Limits{CPUs: s.CPUs, Nice: s.Nice, Procs: s.Procs, Memory: s.Memory}
}
