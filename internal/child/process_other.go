//go:build !linux

package child

import "os"

// A Process is a child that has been started.
type Process struct{}

// Start fails here.
func Start(Spec) (*Process, error) { return nil, ErrUnsupported }

// PID is 0 here.
func (p *Process) PID() int { return 0 }

// Done is closed never here.
func (p *Process) Done() <-chan struct{} { return nil }

// Wait returns at once here.
func (p *Process) Wait() Exit { return Exit{} }

// Kill fails here.
func (p *Process) Kill() error { return ErrUnsupported }

// Terminate fails here.
func (p *Process) Terminate() error { return ErrUnsupported }

// Usage fails here.
func (p *Process) Usage() (Usage, error) { return Usage{}, ErrUnsupported }

// UsageOf fails here.
func UsageOf(int) (Usage, error) { return Usage{}, ErrUnsupported }

// OwnUsage fails here.
func OwnUsage() (Usage, error) { return Usage{}, ErrUnsupported }

// PrivateMemory fails here.
func PrivateMemory() (int64, error) { return 0, ErrUnsupported }

// A Parent is the process that has started this one.
type Parent struct{}

// WatchParent fails here.
func WatchParent(int) (*Parent, error) { return nil, ErrUnsupported }

// Gone is closed never here.
func (p *Parent) Gone() <-chan struct{} { return nil }

// Interrupted is false here.
func (p *Parent) Interrupted() bool { return false }

// EndGroup ends the calling process.
func EndGroup() { os.Exit(1) }

// Duplicates fails here, but for no files.
func Duplicates(files []*os.File) ([]*os.File, error) {
	if len(files) == 0 {
		return nil, nil
	}
	return nil, ErrUnsupported
}

// BindGroup fails here.
func BindGroup() error { return ErrUnsupported }

// Program is empty here.
func Program() string { return "" }

// OnTerminate does nothing here.
func OnTerminate(func()) {}

// DieTerminated ends the calling process.
func DieTerminated() { os.Exit(1) }

// DieInterrupted ends the calling process.
func DieInterrupted() { os.Exit(1) }

// Link fails here.
func Link() (here, there *os.File, err error) { return nil, nil, ErrUnsupported }

// IsOpen is false here.
func IsOpen(int) bool { return false }

// Inherited fails here.
func Inherited(int, string) (*os.File, error) { return nil, ErrUnsupported }

// SetNice fails here.
func SetNice(int) error { return ErrUnsupported }

// SetAffinity fails here.
func SetAffinity([]int) error { return ErrUnsupported }

// LimitMemory fails here.
func LimitMemory(int64) error { return ErrUnsupported }

// IsShortage is never so here.
func IsShortage(error) bool { return false }
