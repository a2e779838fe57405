//go:build !linux

package wait

import "runtime"

// YieldProcessor lets another goroutine of this process run.
func YieldProcessor() { runtime.Gosched() }
