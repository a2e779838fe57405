package child

import (
	"encoding/json"
	"fmt"
	"runtime"

	"github.com/shmkit/shmkit/internal/environ"
)

// limitsEnv carries the limits of a child to it.
const limitsEnv = "SHMKIT_LIMITS"

// Limits are bounds that a process sets itself, with all its threads. The zero value is none.
type Limits struct {
	// the processors it may run on, counted from 0; none: as its parent
	CPUs []int `json:",omitempty"`
	Nice int   `json:",omitempty"` // its niceness, -20 to 19; 0: as its parent
	// its GOMAXPROCS; 0: as many as there are processors, or as the environment says
	Procs  int   `json:",omitempty"`
	Memory int64 `json:",omitempty"` // bytes of private memory, see LimitMemory; 0: no limit
}

// environment is what tells a child of its limits.
func (l Limits) environment() ([]string, error) {
	if len(l.CPUs) == 0 && l.Nice == 0 && l.Procs == 0 && l.Memory == 0 {
		return nil, nil
	}
	b, err := json.Marshal(l)
	if err != nil {
		return nil, err
	}
	return []string{limitsEnv + "=" + string(b)}, nil
}

// ApplyLimits sets the limits that this process was started with, if any. It is called before
// the process does anything else.
func ApplyLimits() error {
	// they are of this process; its children inherit what they inherit
	value, ok := environ.Take(limitsEnv)
	if !ok {
		return nil
	}
	var l Limits
	if err := json.Unmarshal([]byte(value), &l); err != nil {
		return fmt.Errorf("%s=%q: %w", limitsEnv, value, err)
	}
	if len(l.CPUs) > 0 {
		if err := SetAffinity(l.CPUs); err != nil {
			return err
		}
	}
	if l.Nice != 0 {
		if err := SetNice(l.Nice); err != nil {
			return err
		}
	}
	if l.Procs > 0 {
		runtime.GOMAXPROCS(l.Procs)
	}
	if l.Memory != 0 {
		return LimitMemory(l.Memory)
	}
	return nil
}
