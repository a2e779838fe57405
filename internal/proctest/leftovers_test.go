//go:build linux

package proctest

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// leaveEnv tells TestLeavesBehind what to leave; the tests below run the test binary again with it.
const leaveEnv = "SHMKIT_TEST_LEAVE"

var leftFile *os.File

// TestLeavesBehind leaves what leaveEnv names. As an ordinary test it leaves nothing.
func TestLeavesBehind(t *testing.T) {
	switch os.Getenv(leaveEnv) {
	case "running child":
		if err := StartBound(exec.Command("sleep", "1000")); err != nil {
			t.Fatal(err)
		}
	case "dead child":
		cmd := exec.Command("true")
		if err := StartBound(cmd); err != nil {
			t.Fatal(err)
		}
		if err := unix.Waitid(unix.P_PID, cmd.Process.Pid, nil, unix.WEXITED|unix.WNOWAIT, nil); err != nil {
			t.Fatal(err)
		}
	case "descriptor":
		leftFile, _ = os.Open(os.DevNull)
	case "cleaned up descriptor":
		if _, err := os.Open(os.DevNull); err != nil {
			t.Fatal(err)
		}
	case "directory":
		dir, err := os.MkdirTemp(memoryDir, dirPrefix())
		if err != nil {
			t.Fatal(err)
		}
		t.Log("made", dir)
	case "goroutine":
		go func() { select {} }()
	case "slow goroutine":
		go time.Sleep(time.Second) //clock: longer than one look for goroutines
	}
}

func TestMainReportsLeftovers(t *testing.T) {
	for leave, want := range map[string]string{
		"":                      "",
		"cleaned up descriptor": "",
		"slow goroutine":        "",
		"running child":         "left a running child",
		"dead child":            "which ended",
		"descriptor":            "/dev/null",
		"directory":             "left the directory /dev/shm/shmkit-test-",
		"goroutine":             "TestLeavesBehind",
	} {
		t.Run(leave, func(t *testing.T) {
			cmd := exec.Command(self(), "-test.run=^TestLeavesBehind$", "-test.v")
			cmd.Env = append(os.Environ(), leaveEnv+"="+leave)
			cmd.WaitDelay = pipeTimeout //clock: the child that is left holds the pipes for ever
			out, err := cmd.CombinedOutput()
			removeReported(t, string(out))
			if want == "" && err != nil {
				t.Errorf("%v:\n%s", err, out)
			}
			if want != "" && (err == nil || !strings.Contains(string(out), want)) {
				t.Errorf("%v, want failure with %q:\n%s", err, want, out)
			}
		})
	}
}

// removeReported removes the directory that out says was made.
func removeReported(t *testing.T, out string) {
	if _, rest, found := strings.Cut(out, "made "); found {
		dir, _, _ := strings.Cut(rest, "\n")
		if err := os.Remove(dir); err != nil {
			t.Error(err)
		}
	}
}

var (
	roleParent = Register("parent", parent)
	roleLives  = Register("lives", func([]string) { Say("alive"); Forever() })
)

// parent starts a child that holds descriptor 3, stops it if asked, and then does what it hears.
func parent(args []string) {
	child := Exec(roleLives)
	child.ExtraFiles = []*os.File{os.NewFile(3, "")}
	out, err := child.StdoutPipe()
	if err != nil {
		panic(err)
	}
	if err := StartBound(child); err != nil {
		panic(err)
	}
	if _, err := out.Read(make([]byte, 6)); err != nil {
		panic(err)
	}
	if args[0] == "stopped" {
		child.Process.Signal(syscall.SIGSTOP)
	}
	Say("ready")
	if Hear() == "panic" {
		panic("as asked")
	}
	os.Exit(0)
}

func TestChildDiesWithItsParent(t *testing.T) {
	for _, state := range []string{"running", "stopped"} {
		for _, end := range []string{"kill", "panic", "exit"} {
			t.Run(state+"/"+end, func(t *testing.T) {
				// The grandchild holds the write end until it dies, whatever its pid is.
				r, w, err := os.Pipe()
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				p := Command(t, roleParent, state)
				p.Cmd.ExtraFiles = []*os.File{w}
				p.Start()
				w.Close()
				p.Expect("ready")
				if end == "kill" {
					p.Kill()
				} else {
					p.Send(end)
					p.Wait()
				}
				r.SetReadDeadline(time.Now().Add(Hang))
				if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil || os.IsTimeout(err) {
					t.Errorf("the grandchild lives on: %d, %v", n, err)
				}
			})
		}
	}
}

// ignoringEnv has TestIgnoredByChildren look; the test below runs the test binary again with it.
const ignoringEnv = "SHMKIT_TEST_IGNORING"

// TestIgnoredByChildren fails where a child ignores a signal of a terminal.
func TestIgnoredByChildren(t *testing.T) {
	if os.Getenv(ignoringEnv) == "" {
		return
	}
	out, err := exec.Command("grep", "SigIgn", "/proc/self/status").Output()
	if ignored := strings.Fields(string(out)); err != nil || len(ignored) != 2 || !strings.HasSuffix(ignored[1], "0") {
		t.Errorf("%s%v", out, err)
	}
}

// A shell has what it runs in the background ignore SIGINT, and nohup SIGHUP. Children of the tests
// heed both.
func TestChildrenIgnoreNoSignal(t *testing.T) {
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", `trap "" HUP INT; exec "$0" -test.run='^TestIgnoredByChildren$'`, program)
	cmd.Env = append(os.Environ(), ignoringEnv+"=yes")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v:\n%s", err, out)
	}
}
