//go:build !linux

package proctest

import "os/exec"

// bind does nothing: here a child only notices that its parent is gone when it next calls Hear or
// Say.
func bind(cmd *exec.Cmd) {}
