package proctest

import (
	"os/exec"
	"syscall"
)

// bind has the kernel kill cmd's process when its parent is gone.
func bind(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
}
