//go:build linux

package bench

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// peers runs the programs in the directory peers. It builds those in C when they are first needed.
type peers struct {
	dir   string            // where the built programs are
	built map[string]string // path by name
}

func newPeers(tb testing.TB) *peers {
	return &peers{dir: tb.TempDir(), built: map[string]string{}}
}

// c returns the path of the C program of that name, which needs those flags at its end. It skips
// the test where there is no compiler.
func (ps *peers) c(tb testing.TB, name string, flags ...string) string {
	tb.Helper()
	if path, ok := ps.built[name]; ok {
		return path
	}
	compiler := cmp.Or(os.Getenv("CC"), "cc")
	if _, err := exec.LookPath(compiler); err != nil {
		missing(tb, "%s, a C compiler: %v", compiler, err)
	}
	path := filepath.Join(ps.dir, name)
	source := filepath.Join("peers", name+".c")
	args := append([]string{"-std=gnu11", "-O2", "-pthread", "-Wall", "-Wextra", "-o", path, source}, flags...)
	out, err := exec.Command(compiler, args...).CombinedOutput()
	if err != nil {
		tb.Fatalf("build %s: %v\n%s", source, err, out)
	}
	ps.built[name] = path
	return path
}

// library is c for a program that uses a library. It skips the test where the header is missing.
func (ps *peers) library(tb testing.TB, name, header string, flags ...string) string {
	tb.Helper()
	compiler := cmp.Or(os.Getenv("CC"), "cc")
	if _, err := exec.LookPath(compiler); err == nil && !hasHeader(compiler, "c", header) {
		missing(tb, "the header %s", header)
	}
	return ps.c(tb, name, flags...)
}

// hasHeader reports whether a compiler finds a header.
func hasHeader(compiler, language, header string) bool {
	look := exec.Command(compiler, "-x", language, "-E", "-o", os.DevNull, "-")
	look.Stdin = strings.NewReader("#include <" + header + ">\n")
	return look.Run() == nil
}

// boost returns the path of the program of that name, in C++ with the Boost headers. It skips the
// test where a compiler or the headers are missing.
func (ps *peers) boost(tb testing.TB, name string) string {
	tb.Helper()
	if path, ok := ps.built[name]; ok {
		return path
	}
	compiler := cmp.Or(os.Getenv("CXX"), "g++")
	if _, err := exec.LookPath(compiler); err != nil {
		missing(tb, "%s, a C++ compiler: %v", compiler, err)
	}
	if !hasHeader(compiler, "c++", "boost/version.hpp") {
		missing(tb, "the Boost headers (Debian: libboost-dev)")
	}
	path := filepath.Join(ps.dir, name)
	source := filepath.Join("peers", name+".cpp")
	out, err := exec.Command(compiler, "-std=c++17", "-O2", "-pthread", "-Wall", "-Wextra", "-o", path, source, "-lrt").CombinedOutput()
	if err != nil {
		tb.Fatalf("build %s: %v\n%s", source, err, out)
	}
	ps.built[name] = path
	return path
}

// python returns the path of the Python interpreter. It skips the test where there is none.
func (ps *peers) python(tb testing.TB) string {
	tb.Helper()
	path, err := exec.LookPath("python3")
	if err != nil {
		missing(tb, "python3: %v", err)
	}
	return path
}

// runPython runs a Python peer as race does. It leaves no compiled modules in the source tree.
func (ps *peers) runPython(tb testing.TB, p plan, want int64, script string, args ...string) outcome {
	tb.Helper()
	return race(tb, p, want, ps.python(tb), append([]string{"-B", filepath.Join("peers", script+".py")}, args...)...)
}

// race runs a peer that takes ROUNDS OPS CPU... after args, and checks what it prints: a lap of
// every process and round, and the total want. What was lost is part of the total.
func race(tb testing.TB, p plan, want int64, program string, args ...string) outcome {
	tb.Helper()
	var o outcome
	total := int64(-1)
	counts := map[string]*int64{
		"total": &total, "lost": &o.lost,
		"waits": &o.calls.waits, "wakes": &o.calls.wakes, "slept": &o.calls.slept, "sleeps": &o.calls.sleeps,
	}
	for _, line := range runPeer(tb, program, append(args, p.args()...)...) {
		what, rest, _ := strings.Cut(line, " ")
		if count, ok := counts[what]; ok {
			n, err := strconv.ParseInt(rest, 10, 64)
			if err != nil {
				tb.Fatalf("%s printed %q: %v", program, line, err)
			}
			*count = n
			continue
		}
		if what == "trip" {
			if err := o.addTrip(rest, p); err != nil {
				tb.Fatalf("%s printed %q: %v", program, line, err)
			}
			continue
		}
		l, err := parseLap(line)
		if err != nil {
			tb.Fatalf("%s printed %q: %v", program, line, err)
		}
		o.laps = append(o.laps, l)
	}
	if total != want {
		tb.Fatalf("%s %v: total %d after %d operations, want %d", program, args, total, p.total(), want)
	}
	if err := o.complete(p); err != nil {
		tb.Fatalf("%s %v: %v", program, args, err)
	}
	return o
}

// addTrip takes in what a peer says of one trip: "ROUND NANOSECONDS".
func (o *outcome) addTrip(text string, p plan) error {
	roundText, nsText, _ := strings.Cut(text, " ")
	round, err := strconv.Atoi(roundText)
	if err != nil || round < 0 || round >= p.rounds {
		return fmt.Errorf("not one of %d rounds: %q", p.rounds, roundText)
	}
	ns, err := strconv.ParseInt(nsText, 10, 64)
	if err != nil {
		return err
	}
	if o.trips == nil {
		o.trips = make([][]uint32, p.rounds)
	}
	o.trips[round] = append(o.trips[round], clampTrip(ns))
	return nil
}

// runPeer runs a program to its end and returns the lines it prints.
func runPeer(tb testing.TB, program string, args ...string) []string {
	tb.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// A group of its own, so that the end of a stuck peer is also the end of its children.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := proctest.StartBound(cmd)
	if err == nil {
		err = cmd.Wait()
	}
	if err != nil {
		tb.Fatalf("run %s %s: %v\n%s", program, strings.Join(args, " "), err, &stderr)
	}
	return strings.Split(strings.TrimSpace(stdout.String()), "\n")
}
