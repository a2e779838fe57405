//go:build linux

package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"charm.land/lipgloss/v2"

	"github.com/shmkit/shmkit/internal/inspect"
	"github.com/shmkit/shmkit/internal/proctest"
)

// pages makes pages that differ by what went through a queue.
func pages() func() page {
	at, put := time.Unix(1000, 0), uint64(0)
	return func() page {
		at, put = at.Add(time.Second), put+10
		p := page{Time: at, Trouble: []string{"scene: no further process can attach"}}
		for i := range 50 {
			p.Segments = append(p.Segments, &inspect.Segment{Name: fmt.Sprintf("segment%02d", i), Kind: inspect.KindFile, SizeBytes: 1 << 20, MaxProcesses: 8})
		}
		p.Queues = []queueRow{{Segment: "segment07", Name: "orders", Kind: "Queue", Depth: 5, Capacity: 10, Unit: "messages", Put: put, Got: put - 5, id: "q"}}
		p.Members = []memberRow{{"segment07", member{Process: inspect.Process{State: "sleeping"}}}}
		return p
	}
}

// press gives keys to the model, each after a look.
func press(m *top, keys ...string) {
	for _, k := range keys {
		key := tea.Key{Text: k, Code: []rune(k)[0]}
		switch k {
		case "enter":
			key = tea.Key{Code: tea.KeyEnter}
		case "esc":
			key = tea.Key{Code: tea.KeyEscape}
		case "down":
			key = tea.Key{Code: tea.KeyDown}
		case "space":
			key = tea.Key{Code: tea.KeySpace, Text: " "}
		}
		m.Update(tea.KeyPressMsg(key))
	}
}

func TestTopModel(t *testing.T) {
	m := newTop(pages(), time.Second)
	for range 3 {
		m.Update(m.look())
	}
	shows := func(what string, wants ...string) {
		t.Helper()
		for _, want := range wants {
			if !strings.Contains(m.text(), want) {
				t.Errorf("%s: %q is missing in\n%s", what, want, m.text())
			}
		}
	}
	shows("at first", "50 segments", "[2 segments]", "segment00")
	press(m, "3")
	shows("queues", "orders", "5/10", "####....", "10", "LAG")
	press(m, "1")
	shows("trouble", "no further process can attach")
	press(m, "2", "/", "0", "7", "enter")
	shows("a filter", "segment07", "filter 07")
	if strings.Contains(m.text(), "segment08") {
		t.Error("the filter shows what it should not")
	}
	press(m, "enter")
	shows("the queues of the segment", "[3 queues]", "orders")
	press(m, "esc")
	shows("back", "[2 segments]", "segment00")
	press(m, "s")
	shows("the other order", "segment49")
	press(m, "?")
	shows("help", "write what is seen as JSON")
	press(m, "?", "space")
	shows("held", "held")
	before := m.page.Time
	if _, cmd := m.Update(due(before)); cmd == nil || m.page.Time != before {
		t.Error("a screen that is held takes another look")
	}
	press(m, "+", "+")
	if m.interval != 250*time.Millisecond {
		t.Errorf("the interval is %v", m.interval)
	}
	if _, cmd := m.Update(tea.KeyPressMsg(tea.Key{Text: "q", Code: 'q'})); cmd == nil {
		t.Error("q does not end it")
	}
}

// Whatever the window's size, the text fits into it.
func TestTopFits(t *testing.T) {
	m := newTop(pages(), time.Second)
	m.Update(m.look())
	for _, size := range [][2]int{{80, 24}, {40, 10}, {200, 60}, {1, 1}, {10, 3}} {
		m.Update(tea.WindowSizeMsg{Width: size[0], Height: size[1]})
		for tab := range tabs {
			press(m, fmt.Sprint(tab+1))
			lines := strings.Split(m.text(), "\n")
			if len(lines) > max(size[1], 2) {
				t.Errorf("%v, %s: %d lines", size, tabs[tab], len(lines))
			}
			for _, line := range lines {
				if lipgloss.Width(line) > size[0] {
					t.Errorf("%v, %s: %q is too wide", size, tabs[tab], line)
				}
			}
		}
	}
}

func TestLag(t *testing.T) {
	var m memory
	look := func(seconds int64, put, got uint64) queueRow {
		p := page{Time: time.Unix(seconds, 0), Queues: []queueRow{{Put: put, Got: got, Depth: put - got, id: "q"}}}
		m.remember(&p)
		return p.Queues[0]
	}
	look(0, 0, 0)
	look(10, 5, 0)
	look(20, 9, 0)
	if q := look(30, 9, 5); q.Lag != 20 || q.GotRate != 0.5 || q.PutRate != 0 {
		t.Errorf("%+v: what is the oldest now was put after 10 s", q)
	}
	if q := look(40, 9, 9); q.Lag != 0 {
		t.Errorf("an empty queue lags by %v", q.Lag)
	}
}

// roleTopPanics shows top, which panics at its second look, or when it shows what it saw then.
var roleTopPanics = proctest.Register("tool: top panics", func(args []string) {
	next, looks := pages(), 0
	collect := func() page {
		p := next()
		if looks++; looks > 1 {
			if args[0] == "look" {
				panic("a fault of the look")
			}
			p.Segments[0] = nil
		}
		return p
	}
	err := onTerminal(background, newTop(collect, 100*time.Millisecond))
	fmt.Fprintln(os.Stderr, err)
	os.Exit(exitCode(background, err))
})

// A terminal is one of 80 by 24 on which a shell runs one command.
type terminal struct {
	t      *testing.T
	socket string
	pid    int
}

// onTmux runs a role of this program with arguments on a terminal of its own.
func onTmux(t *testing.T, role, args string) *terminal {
	t.Helper()
	term := &terminal{t: t, socket: filepath.Join(t.TempDir(), "tmux")}
	pidFile := filepath.Join(t.TempDir(), "pid")
	env := ""
	for _, v := range proctest.Exec(role).Env {
		if strings.HasPrefix(v, "PROCTEST") || strings.Contains(v, role) {
			env += " '" + v + "'"
		}
	}
	script := fmt.Sprintf("echo before; env%s sh -c 'echo $$ >%s; exec %s %s'; echo after $?; stty -a | grep -o ' echo '; read x",
		env, pidFile, must(os.Executable()), args)
	if out, err := term.run("new-session", "-d", "-s", "top", "-x", "80", "-y", "24", script); err != nil {
		t.Skipf("tmux does not work here: %v %s", err, out)
	}
	t.Cleanup(func() {
		term.run("kill-server")
		proctest.Eventually(t, proctest.Hang, func() bool { _, err := term.run("list-sessions"); return err != nil }, "tmux does not end")
	})
	proctest.Eventually(t, proctest.Hang, func() bool {
		text, err := os.ReadFile(pidFile)
		n, _ := fmt.Sscanln(string(text), &term.pid)
		return err == nil && n == 1
	}, "the shell does not start")
	return term
}

func (term *terminal) run(args ...string) (string, error) {
	out, err := exec.Command("tmux", append([]string{"-S", term.socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
	return string(out), err
}

// screen is what is seen now.
func (term *terminal) screen() string {
	out, _ := term.run("capture-pane", "-p", "-t", "top")
	return out
}

// left waits until the shell goes on after that exit code, and the terminal is as before: it
// echoes, shows its cursor, and what was written before, and holds these texts.
func (term *terminal) left(code int, texts ...string) {
	term.t.Helper()
	texts = append(texts, "before", fmt.Sprint("after ", code), "\n echo\n", "alternate 0, cursor 1")
	shown, missing := "", ""
	defer func() {
		if missing != "" {
			term.t.Logf("%q is missing in\n%s", missing, shown)
		}
	}()
	proctest.Eventually(term.t, proctest.Hang, func() bool {
		all, _ := term.run("capture-pane", "-p", "-S", "-", "-t", "top")
		state, _ := term.run("display-message", "-p", "-t", "top", "alternate #{alternate_on}, cursor #{cursor_flag}")
		shown, missing = all+state, ""
		for _, text := range texts {
			if !strings.Contains(shown, text) {
				missing = text
			}
		}
		return missing == ""
	}, "the terminal is not as it was")
}

func needTmux(t *testing.T) {
	if _, err := exec.LookPath("tmux"); err != nil {
		t.Skip("tmux is not installed")
	}
}

// Top runs on a terminal of 80 by 24, and leaves it as it was when it is ended by a signal.
func TestTopOnATerminal(t *testing.T) {
	needTmux(t)
	_, dir := scene(t)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		term := onTmux(t, roleTool, "top -dir "+dir)
		proctest.Eventually(t, proctest.Hang, func() bool { return strings.Contains(term.screen(), "scene") }, "top shows nothing")
		for _, line := range strings.Split(term.screen(), "\n") {
			if lipgloss.Width(line) > 80 {
				t.Errorf("a line is too wide: %q", line)
			}
		}
		must(0, syscall.Kill(term.pid, signal))
		term.left(exitSignal)
	}
}

// A panic leaves the terminal as it was, too, with the panic's text and stack on it.
func TestTopPanicsOnATerminal(t *testing.T) {
	needTmux(t)
	onTmux(t, roleTopPanics, "look").left(exitOther, "panic: a fault of the look", "top_model.go")
	onTmux(t, roleTopPanics, "show").left(exitOther, "nil pointer dereference", "ls.go")
}
