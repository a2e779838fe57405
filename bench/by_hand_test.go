//go:build linux

package bench

import (
	"bufio"
	"fmt"
	"io"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// byHand is the contender that package os/exec starts: the same program, without any of the
// toolkit.
const byHand = "os-exec"

// squarer N is a process that prints the square of N and waits to be killed.
var squarer = proctest.Register("squarer", func(args []string) {
	n, err := strconv.ParseInt(args[0], 10, 64)
	if err != nil {
		panic(err)
	}
	proctest.Say("%d", n*n)
	proctest.Hear()
})

// A handmade is a process of package os/exec that squares a number.
type handmade struct {
	cmd   *exec.Cmd
	input io.Closer // the process waits until it is closed
}

// startByExec starts a process, and returns the square that it prints.
func startByExec(tb testing.TB, n int) (h handmade, squared int64) {
	tb.Helper()
	h.cmd = proctest.Exec(squarer, fmt.Sprint(n))
	in, err := h.cmd.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := h.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	h.input = in
	if err := proctest.StartBound(h.cmd); err != nil {
		tb.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err == nil {
		_, err = fmt.Sscan(line, &squared)
	}
	if err != nil {
		tb.Fatalf("a process started by hand said %q: %v", line, err)
	}
	return h, squared
}

// kill ends the process, and returns when it has ended.
func (h handmade) kill() {
	h.cmd.Process.Kill()
	h.cmd.Wait() // the error is that it was killed
	h.input.Close()
}

// firstByHand takes the time from before the start of a process to its first result.
func firstByHand(tb testing.TB, ops int) (a answer) {
	tb.Helper()
	a.ns = make([]float64, ops)
	for i := range a.ns {
		start := time.Now()
		h, squared := startByExec(tb, i)
		a.ns[i] = float64(time.Since(start))
		a.total += squared
		h.kill()
	}
	return a
}

// replaceByHand takes the time from just before the SIGKILL of a process until the first result of
// the process that replaces it.
func replaceByHand(tb testing.TB, ops int) (a answer) {
	tb.Helper()
	a.ns = make([]float64, ops)
	h, _ := startByExec(tb, 1)
	for i := range a.ns {
		time.Sleep(grownUp)
		start := time.Now()
		h.kill()
		var squared int64
		h, squared = startByExec(tb, 1)
		a.ns[i] = float64(time.Since(start))
		a.total += squared
	}
	h.kill()
	return a
}

// reportByHand reports how many times as long as by hand an operation takes, in the same run.
func reportByHand(b *testing.B, f figures, all []figures) {
	for _, x := range all {
		if x.impl == byHand && f.impl != byHand && median(x.rounds) > 0 {
			b.ReportMetric(median(f.rounds)/median(x.rounds), "x-os-exec")
		}
	}
}
