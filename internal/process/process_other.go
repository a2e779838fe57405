//go:build !linux

package process

import (
	"io"
	"os"
)

// A Process is a child that has been started.
type Process struct{}

// Start fails here.
func Start([]string, []*os.File, io.Writer) (*Process, error) { return nil, ErrUnsupported }

// PID is 0 here.
func (p *Process) PID() int { return 0 }

// Wait returns at once here.
func (p *Process) Wait() Exit { return Exit{} }

// Kill does nothing here.
func (p *Process) Kill() {}

// Terminate does nothing here.
func (p *Process) Terminate() {}

// EndGroup ends the calling process.
func EndGroup() { os.Exit(1) }

// CloseOnExec does nothing here.
func CloseOnExec(int) {}

// OnTerminate does nothing here.
func OnTerminate(func()) {}
