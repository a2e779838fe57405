package proctest

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

func TestMain(m *testing.M) { Main(m, Leaks()) }

var (
	roleReturns  = Register("returns", func([]string) {})
	roleExits    = Register("exits", func(args []string) { n, _ := strconv.Atoi(args[0]); os.Exit(n) })
	rolePanics   = Register("panics", func([]string) { panic("as asked") })
	roleFaults   = Register("faults", func([]string) { var p *int; *p = 1 })
	roleWaits    = Register("waits", func([]string) { Say("ready"); Hear() })
	roleHangs    = Register("hangs", func([]string) { Say("ready"); Forever() })
	roleEchoes   = Register("echoes", echo)
	roleVariable = Register("variable", func(args []string) { Say("%s", os.Getenv(args[0])) })
	roleTalks    = Register("talks", talk)
)

// echo says its arguments and then whatever it hears, until "end".
func echo(args []string) {
	for _, arg := range args {
		Say("%s", arg)
	}
	for line := Hear(); line != "end"; line = Hear() {
		Say("heard %s", line)
	}
}

// talk says more than any pipe holds, writes to stderr, and ends without a newline.
func talk([]string) {
	for i := range 20_000 {
		Say("line %d", i)
	}
	fmt.Fprint(os.Stderr, strings.Repeat("x", 2*tailBytes), "last words")
	fmt.Print("unfinished")
}

func TestChildEnds(t *testing.T) {
	t.Run("return", func(t *testing.T) {
		child := Start(t, roleReturns)
		child.WaitOK()
		if state := child.Wait(); state.ExitCode() != 0 { // waiting twice is fine
			t.Error(state)
		}
	})
	t.Run("exit", func(t *testing.T) {
		for _, status := range []int{0, 1, 3, 255} {
			if state := Start(t, roleExits, strconv.Itoa(status)).Wait(); state.ExitCode() != status {
				t.Errorf("want status %d: %v", status, state)
			}
		}
	})
	t.Run("panic", func(t *testing.T) {
		child := Start(t, rolePanics)
		if state := child.Wait(); state.ExitCode() != 2 || !strings.Contains(child.Stderr(), "panic: as asked") {
			t.Errorf("%v; stderr:\n%s", state, child.Stderr())
		}
	})
	t.Run("nil pointer", func(t *testing.T) {
		child := Start(t, roleFaults)
		if state := child.Wait(); state.ExitCode() != 2 || !strings.Contains(child.Stderr(), "SIGSEGV") {
			t.Errorf("%v; stderr:\n%s", state, child.Stderr())
		}
	})
	t.Run("SIGKILL", func(t *testing.T) {
		child := Start(t, roleWaits)
		child.Expect("ready")
		diedOf(t, child.Kill(), syscall.SIGKILL)
	})
	t.Run("SIGSEGV", func(t *testing.T) {
		child := Start(t, roleWaits)
		child.Expect("ready")
		child.Signal(syscall.SIGSEGV)
		if state := child.Wait(); state.Success() {
			t.Error(state)
		}
	})
	t.Run("end of input", func(t *testing.T) {
		child := Start(t, roleWaits)
		child.Expect("ready")
		child.stdin.Close()
		if state := child.Wait(); state.ExitCode() != 1 || !strings.Contains(child.Stderr(), "EOF") {
			t.Errorf("%v; stderr:\n%s", state, child.Stderr())
		}
	})
}

func diedOf(t *testing.T, state *os.ProcessState, sig syscall.Signal) {
	t.Helper()
	if status := state.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != sig {
		t.Errorf("%v, want death by %v", state, sig)
	}
}

func TestChildTalks(t *testing.T) {
	child := Start(t, roleEchoes, "one", "two words", "")
	child.Expect("one")
	child.Expect("two words")
	child.Expect("")
	for i := range 100 {
		child.Send(strconv.Itoa(i))
		child.Expect("heard " + strconv.Itoa(i))
	}
	child.Send("end")
	child.WaitOK()
}

func TestChildDoesNotWaitForReader(t *testing.T) {
	child := Start(t, roleTalks)
	child.WaitOK()
	for i := range 20_000 {
		child.Expect(fmt.Sprintf("line %d", i))
	}
	child.Expect("unfinished")
	if got := child.Stderr(); len(got) != tailBytes || !strings.HasSuffix(got, "xlast words") {
		t.Errorf("%d bytes of stderr are kept", len(got))
	}
}

func TestOutput(t *testing.T) {
	child := Start(t, roleTalks)
	child.Expect("line 0")
	out := child.Output()
	if !strings.HasPrefix(out, "line 1\nline 2\n") || !strings.HasSuffix(out, "line 19999\nunfinished") || strings.Count(out, "\n") != 19_999 {
		t.Errorf("the rest has %d lines, and ends with %q", strings.Count(out, "\n"), out[max(0, len(out)-30):])
	}
	child = Start(t, roleVariable, "SHMKIT_TEST_COLOUR")
	if out, again := child.Output(), child.Output(); out != "\n" || again != "" {
		t.Errorf("an empty line came as %q, and then %q", out, again)
	}
}

func TestCommandIsChangedBeforeStart(t *testing.T) {
	child := Command(t, roleVariable, "SHMKIT_TEST_COLOUR")
	child.Cmd.Env = append(child.Cmd.Env, "SHMKIT_TEST_COLOUR=green")
	child.Cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	child.Start()
	child.Expect("green")
	child.WaitOK()
}

func TestStartFailure(t *testing.T) {
	child := Command(t, roleReturns)
	child.Cmd.Dir = Dir(t) + "/missing"
	if err := child.TryStart(); err == nil {
		t.Error("started in a directory that does not exist")
	}
}

func TestStopAndContinue(t *testing.T) {
	child := Start(t, roleEchoes)
	for range 5 {
		child.Signal(syscall.SIGSTOP)
		child.WaitStopped()
		child.Send("while stopped")
		child.Signal(syscall.SIGCONT)
		child.Expect("heard while stopped")
	}
	child.Signal(syscall.SIGSTOP)
	child.WaitStopped()
	diedOf(t, child.Kill(), syscall.SIGKILL)
}

func TestRegisterTwicePanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("the second Register did not panic")
		}
	}()
	Register("returns", func([]string) {})
}
