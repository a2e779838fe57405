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

// Top runs on a terminal of 80 by 24, and leaves it as it was when it is ended by a signal.
func TestTopOnATerminal(t *testing.T) {
	tmux, err := exec.LookPath("tmux")
	if err != nil {
		t.Skip("tmux is not installed")
	}
	_, dir := scene(t)
	socket := filepath.Join(t.TempDir(), "tmux")
	run := func(args ...string) (string, error) {
		out, err := exec.Command(tmux, append([]string{"-S", socket, "-f", "/dev/null"}, args...)...).CombinedOutput()
		return string(out), err
	}
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		pidFile := filepath.Join(t.TempDir(), "pid")
		env := ""
		for _, v := range proctest.Exec(roleTool).Env {
			if strings.HasPrefix(v, "PROCTEST") || strings.Contains(v, roleTool) {
				env += " '" + v + "'"
			}
		}
		script := fmt.Sprintf("echo before; env%s sh -c 'echo $$ >%s; exec %s top -dir %s'; echo after; stty -a | grep -o ' echo '; read x",
			env, pidFile, must(os.Executable()), dir)
		if out, err := run("new-session", "-d", "-s", "top", "-x", "80", "-y", "24", script); err != nil {
			t.Skipf("tmux does not work here: %v %s", err, out)
		}
		screen := func() string { out, _ := run("capture-pane", "-p", "-t", "top"); return out }
		proctest.Eventually(t, proctest.Hang, func() bool { return strings.Contains(screen(), "scene") }, "top shows nothing")
		for _, line := range strings.Split(screen(), "\n") {
			if lipgloss.Width(line) > 80 {
				t.Errorf("a line is too wide: %q", line)
			}
		}
		var pid int
		fmt.Sscan(string(must(os.ReadFile(pidFile))), &pid)
		must(0, syscall.Kill(pid, signal))
		proctest.Eventually(t, proctest.Hang, func() bool {
			text := screen()
			return strings.Contains(text, "after") && strings.Contains(text, "before") && !strings.Contains(text, "[2 segments]") && strings.Contains(text, "echo")
		}, "the terminal is not as it was")
		run("kill-server")
		proctest.Eventually(t, proctest.Hang, func() bool { _, err := run("list-sessions"); return err != nil }, "tmux does not end")
	}
}
