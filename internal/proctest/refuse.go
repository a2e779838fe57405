package proctest

import (
	"encoding/json"
	"fmt"
	"os"
	"syscall"
)

// refusalsEnv carries the refusals of a child to it.
const refusalsEnv = "SHMKIT_TEST_REFUSALS"

// A Refusal makes a system call fail, as the filter of a sandbox or an old kernel does. With a Mask
// it concerns only calls with a certain value in one argument: a flag, or a command of fcntl.
type Refusal struct {
	Call  uintptr       // number of the system call on this processor
	Errno syscall.Errno // what the call returns instead of taking place

	Arg   int    // which argument is looked at, from 0
	Mask  uint32 // which of its lower 32 bits are looked at; 0: every call is refused
	Value uint32 // what these bits are in a call that is refused
}

// Refuse returns a [Refusal] of each of the system calls.
func Refuse(errno syscall.Errno, calls ...uintptr) (all []Refusal) {
	for _, call := range calls {
		all = append(all, Refusal{Call: call, Errno: errno})
	}
	return all
}

// RefuseFlag returns the [Refusal] of the calls that have all bits of flag set in an argument,
// counted from 0.
func RefuseFlag(errno syscall.Errno, call uintptr, arg int, flag uint32) Refusal {
	return Refusal{Call: call, Errno: errno, Arg: arg, Mask: flag, Value: flag}
}

// RefuseValue returns the [Refusal] of the calls in which an argument, counted from 0, is value.
func RefuseValue(errno syscall.Errno, call uintptr, arg int, value uint32) Refusal {
	return Refusal{Call: call, Errno: errno, Arg: arg, Mask: 1<<32 - 1, Value: value}
}

// Confine has the child, and all processes that it starts, live with refusals from the first
// instruction of its program on. It is called before Start. It skips the test where the system has
// no such filters. A child cannot be started under a refusal of execve: its role calls [Confine]
// instead.
func (c *Child) Confine(refusals ...Refusal) {
	c.t.Helper()
	if err := canConfine(); err != nil {
		c.t.Skipf("no filter for system calls: %v", err)
	}
	b, err := json.Marshal(refusals)
	if err != nil {
		c.t.Fatal(err)
	}
	// what is refused is refused alone
	c.Cmd.Env = append(c.Cmd.Env, refusalsEnv+"="+string(b), "SHMKIT_FALLBACK=")
}

// confineAnew starts the program again under the refusals that it was started with. It returns when
// there are none.
func confineAnew() {
	value, ok := os.LookupEnv(refusalsEnv)
	if !ok {
		return
	}
	os.Unsetenv(refusalsEnv)
	var refusals []Refusal
	err := json.Unmarshal([]byte(value), &refusals)
	if err == nil {
		err = confineAndExec(refusals)
	}
	fmt.Fprintln(os.Stderr, "proctest: start under a filter:", err)
	os.Exit(2)
}
