package proctest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// recorder is a test that shall fail: it keeps what would have been reported.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	messages []string
	cleanups []func()
}

func (r *recorder) Helper() {}
func (r *recorder) Failed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.messages) > 0
}
func (r *recorder) Cleanup(f func()) { r.cleanups = append(r.cleanups, f) }
func (r *recorder) Errorf(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.messages = append(r.messages, fmt.Sprintf(format, args...))
}
func (r *recorder) Fatalf(format string, args ...any) { r.Errorf(format, args...); runtime.Goexit() }
func (r *recorder) Fatal(args ...any)                 { r.Fatalf("%s", fmt.Sprint(args...)) }

// failure runs body as a test of its own, cleanups included, and returns what it reported.
func failure(t *testing.T, body func(t testing.TB)) string {
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		body(r)
	}()
	<-done
	for i := len(r.cleanups) - 1; i >= 0; i-- {
		r.cleanups[i]()
	}
	return strings.Join(r.messages, "\n")
}

func TestMisuseFailsTheTest(t *testing.T) {
	for _, c := range []struct {
		name string
		want string
		body func(t testing.TB)
	}{
		{"not waited for", "hangs was started but not waited for", func(t testing.TB) {
			Start(t, roleHangs).Expect("ready")
		}},
		{"ended but not waited for", "returns was started but not waited for", func(t testing.TB) {
			<-Start(t, roleReturns).ended
		}},
		{"unknown role", `unknown role "nobody"`, func(t testing.TB) { Start(t, "nobody") }},
		{"wrong line", `echoes said "one", want "two"`, func(t testing.TB) {
			Start(t, roleEchoes, "one").Expect("two")
		}},
		{"no line", "line of panics: the child ended; stderr:\npanic: as asked", func(t testing.TB) {
			Start(t, rolePanics).Line()
		}},
		{"wrong status", "exits: exit status 3", func(t testing.TB) { Start(t, roleExits, "3").WaitOK() }},
		{"send to the dead", "send to returns: ", func(t testing.TB) {
			child := Start(t, roleReturns)
			child.Wait()
			child.Send("hello")
		}},
		{"no start", "start returns: ", func(t testing.TB) {
			child := Command(t, roleReturns)
			child.Cmd.Path = "/nonexistent"
			child.Start()
		}},
		{"ends instead of stopping", "returns ended instead of stopping: exit status 0", func(t testing.TB) {
			Start(t, roleReturns).WaitStopped()
		}},
		{"never true", "not within 1ms: the sea is dry", func(t testing.TB) {
			//clock: the time-out is the subject
			Eventually(t, time.Millisecond, func() bool { return false }, "the sea is dry")
		}},
		{"does not block", "the call did not block", func(t testing.TB) { MustBlock(t, func() {}) }},
		{"file left", "left behind: ", func(t testing.TB) {
			if err := os.WriteFile(CleanDir(t)+"/file", nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := failure(t, c.body); !strings.Contains(got, c.want) {
				t.Errorf("reported %q, want %q", got, c.want)
			}
		})
	}
}

func TestCorrectUseIsSilent(t *testing.T) {
	got := failure(t, func(t testing.TB) {
		dir := CleanDir(t)
		if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
			t.Errorf("%v %v", info, err)
		}
		if err := os.WriteFile(dir+"/file", nil, 0o600); err != nil {
			t.Errorf("%v", err)
		}
		Command(t, roleReturns) // never started: nothing to wait for
		child := Start(t, roleHangs)
		child.Expect("ready")
		child.Kill()
		if err := os.Remove(dir + "/file"); err != nil {
			t.Errorf("%v", err)
		}
	})
	if got != "" {
		t.Error(got)
	}
}

// clock: the time-out is the subject
func TestLineGivesUp(t *testing.T) {
	var l lines
	if _, err := l.next(time.Millisecond); err != errTooLong {
		t.Errorf("next of nothing: %v", err)
	}
	l.Write([]byte("half"))
	if _, err := l.next(time.Millisecond); err != errTooLong {
		t.Errorf("next of half a line: %v", err)
	}
}

func TestMustBlockReturnsTheEnd(t *testing.T) {
	gate := make(chan struct{})
	returned := MustBlock(t, func() { <-gate })
	select {
	case <-returned:
		t.Error("ended before the gate opened")
	default:
	}
	close(gate)
	<-returned
}

func TestEventuallyLooksAgain(t *testing.T) {
	looks := 0
	Eventually(t, time.Minute, func() bool { looks++; return looks == 5 }, "five looks")
}

func TestEndsReturnsTheValue(t *testing.T) {
	done := make(chan int, 1)
	done <- 7
	if v := Ends(t, done, "a value"); v != 7 {
		t.Errorf("ended with %d", v)
	}
	close(done)
	if v := Ends(t, done, "the end"); v != 0 {
		t.Errorf("closed with %d", v)
	}
}
