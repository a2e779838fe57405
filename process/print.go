package process

import (
	"fmt"
)

// String names the process and says how far it is: for people, and for logs.
func (p *Process) String() string {
	name := fmt.Sprintf("process %q", p.Name())
	if code, ended := p.ExitCode(); ended {
		return fmt.Sprintf("%s (pid %d): %s", name, p.PID(), endText(code))
	}
	return fmt.Sprintf("%s (pid %d): running", name, p.PID())
}

// endText says how a process with an exit code has ended.
func endText(code int) string {
	switch {
	case code == ExitUnknown:
		return "ended, exit code unknown"
	case code < 0:
		return fmt.Sprintf("killed by signal %d", -code)
	}
	return fmt.Sprintf("ended, exit code %d", code)
}

// String returns a description of the process.
func (i Info) String() string { return fmt.Sprintf("%s[%d]", i.Name, i.PID) }
