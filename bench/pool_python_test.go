//go:build linux

package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

func lacksPython() bool {
	_, err := exec.LookPath("python3")
	return err != nil
}

// pythonPool is a pool.py that runs with one way of starting processes. It is started when it is
// first needed.
type pythonPool struct {
	method string
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	stdout *bufio.Reader
	stderr bytes.Buffer
}

// pythonLimit is the time that one command may take: some hundred times as long as it takes.
const pythonLimit = 2 * time.Minute

func (p *pythonPool) start(tb testing.TB) {
	tb.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		tb.Fatal(err) // rows without python3 are skipped before
	}
	p.cmd = exec.Command(path, "-B", filepath.Join("peers", "pool.py"), p.method)
	p.cmd.Stderr = &p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	p.stdin, err = p.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	p.stdout = bufio.NewReader(stdout)
	if err := proctest.StartBound(p.cmd); err != nil {
		tb.Fatal(err)
	}
}

// close lets the program end its pool and itself.
func (p *pythonPool) close(tb testing.TB) {
	tb.Helper()
	if p.cmd == nil {
		return
	}
	p.stdin.Close()
	kill := time.AfterFunc(pythonLimit, p.kill)
	defer kill.Stop()
	if err := p.cmd.Wait(); err != nil {
		tb.Errorf("pool.py %s: %v\n%s", p.method, err, &p.stderr)
	}
	p.cmd = nil
}

// kill ends the program and all its processes.
func (p *pythonPool) kill() { syscall.Kill(-p.cmd.Process.Pid, syscall.SIGKILL) }

// ask gives a command and reads the answer.
func (p *pythonPool) ask(tb testing.TB, command string, args ...any) (a answer) {
	tb.Helper()
	if p.cmd == nil {
		p.start(tb)
	}
	kill := time.AfterFunc(pythonLimit, p.kill)
	defer kill.Stop()
	fmt.Fprintln(p.stdin, append([]any{command}, args...)...)
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		p.kill()
		p.cmd.Wait()
		p.cmd = nil
		tb.Fatalf("pool.py %s: %s %v: %v\n%s", p.method, command, args, err, &p.stderr)
	}
	for i, field := range strings.Fields(line) {
		n, err := strconv.ParseInt(field, 10, 64)
		switch {
		case err != nil:
			tb.Fatalf("pool.py %s printed %q: %v", p.method, line, err)
		case i == 0:
			a.total = n
		default:
			a.ns = append(a.ns, float64(n))
		}
	}
	return a
}

func (p *pythonPool) apply(tb testing.TB, ops int, pause time.Duration) answer {
	return p.ask(tb, "apply", ops, pause.Nanoseconds())
}

func (p *pythonPool) mapAll(tb testing.TB, calls int, w mapWork) answer {
	return p.ask(tb, "map", calls, w.tasks, w.bytes, w.chunk)
}

func (p *pythonPool) imapUnordered(tb testing.TB, calls, tasks int) answer {
	return p.ask(tb, "imap", calls, tasks)
}

func (p *pythonPool) startAndApply(tb testing.TB, ops int) answer { return p.ask(tb, "start", ops) }

func (p *pythonPool) wide(tb testing.TB, workers, tasks int) answer {
	return p.ask(tb, "wide", workers, tasks)
}

// pids returns the processes: the parent and its workers.
func (p *pythonPool) pids(tb testing.TB) (pids []int) {
	for _, pid := range p.ask(tb, "pids").ns {
		pids = append(pids, int(pid))
	}
	return pids
}
