package model

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// A check is one search through a model.
type check struct {
	model string // file name
	flags string // what the model is built with, without -D
	want  string // part of the error that must be found; empty: there must be none
	ends  bool   // search for endless executions instead of end states
	size  costs  // when it runs
}

// costs says when a check runs.
type costs int

const (
	trust  costs = iota - 1 // always: the searches that every change of a protocol must pass
	small                   // with SHMKIT_MODEL=small, normal or full
	normal                  // with SHMKIT_MODEL=normal or full
	full                    // with SHMKIT_MODEL=full only
)

// wanted is the most that a check may cost, as SHMKIT_MODEL says.
func wanted(t *testing.T) costs {
	t.Helper()
	names := map[string]costs{"": trust, "small": small, "normal": normal, "full": full}
	size, ok := names[os.Getenv("SHMKIT_MODEL")]
	if !ok {
		t.Fatalf("SHMKIT_MODEL is %q: it must be small, normal or full", os.Getenv("SHMKIT_MODEL"))
	}
	return size
}

func (c costs) String() string { return [...]string{"", "small", "normal", "full"}[c+1] }

// twoAtOnce bounds the memory and processors that the checks take.
var twoAtOnce = make(chan struct{}, 2)

// tools returns the paths of spin and of a C compiler.
func tools(t *testing.T) (spin, cc string) {
	t.Helper()
	spin, spinErr := exec.LookPath("spin")
	cc, ccErr := exec.LookPath("gcc") // spin calls it by this name as its preprocessor
	missing := ""
	switch {
	case spinErr != nil:
		missing = "spin is missing: apt-get install spin, or see https://spinroot.com"
	case ccErr != nil:
		missing = "gcc is missing: apt-get install gcc"
	default:
		return spin, cc
	}
	if os.Getenv("CI") != "" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return "", ""
}

// run searches, and fails the test unless the outcome is the one wanted.
func (c check) run(t *testing.T) {
	if c.size > wanted(t) {
		t.Skipf("set SHMKIT_MODEL=%v", c.size)
	}
	spin, cc := tools(t)
	t.Parallel()
	twoAtOnce <- struct{}{}
	defer func() { <-twoAtOnce }()

	began := time.Now()
	out := c.search(t, spin, cc)
	found, states, err := outcome(out)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Logf("%d states, %d errors, %v", states, found, time.Since(began).Round(time.Millisecond))
	switch {
	case c.want == "" && found != 0:
		t.Errorf("the model is wrong:\n%s", out)
	case c.want == "" && !strings.Contains(out, "Full statespace search"):
		t.Errorf("not a full search:\n%s", out)
	case c.want == "":
		if why := incomplete.FindString(out); why != "" {
			t.Errorf("the search is not complete: %s\n%s", why, out)
		}
	case found == 0:
		t.Errorf("the mistake is not found:\n%s", out)
	case !strings.Contains(strings.ReplaceAll(out, " ", ""), strings.ReplaceAll(c.want, " ", "")):
		t.Errorf("another error than %q:\n%s", c.want, out)
	}
}

// search builds the model and returns what its verifier prints.
func (c check) search(t *testing.T, spin, cc string) string {
	t.Helper()
	file, err := filepath.Abs(c.model)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"-a"}
	for flag := range strings.FieldsSeq(c.flags) {
		args = append(args, "-D"+flag)
	}
	command(t, dir, spin, append(args, file)...)

	// To compile the verifier with optimization takes ten times as long as its search.
	memory, kind, effort := "4000", "-DSAFETY", "-O0"
	if c.size == full {
		memory, effort = "12000", "-O2"
	}
	search := []string{"-n", "-m20000"}
	if c.ends {
		kind = "-DNP"
		search = append(search, "-l")
	}
	command(t, dir, cc, effort, "-w", kind, "-DNOFAIR", "-DCOLLAPSE", "-DMEMLIM="+memory, "-o", "pan", "pan.c")
	return command(t, dir, "./pan", search...)
}

// command runs a program to its end and returns what it printed.
func command(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.WaitDelay = 5 * time.Second //clock: others may hold the pipes of a dead program
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

var (
	errorCount = regexp.MustCompile(`errors: (\d+)`)
	stateCount = regexp.MustCompile(`(?m)^\s*([0-9.e+]+) states, stored`)
	incomplete = regexp.MustCompile(`Search not completed|max search depth too small|out of memory|MEMLIM|(?m)^error: .*|interrupted`)
)

// outcome reads how many errors a search has found, and in how many states.
func outcome(out string) (found, states int, err error) {
	e, s := errorCount.FindStringSubmatch(out), stateCount.FindStringSubmatch(out)
	if e == nil || s == nil {
		return 0, 0, fmt.Errorf("the verifier has not come to its end")
	}
	if found, err = strconv.Atoi(e[1]); err != nil {
		return 0, 0, fmt.Errorf("count errors: %w", err)
	}
	n, err := strconv.ParseFloat(s[1], 64)
	if err != nil {
		return 0, 0, fmt.Errorf("count states: %w", err)
	}
	return found, int(n), nil
}

// checkFlags fails the test unless the model of these checks has each of their flags, and a check
// makes each mistake that the model can make. A check proves nothing with a flag that the model
// does not have, and a mistake in the model proves nothing if no check makes it.
func checkFlags(t *testing.T, model string, checks []check) {
	t.Helper()
	text, err := os.ReadFile(model)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range checks {
		for flag := range strings.FieldsSeq(c.flags) {
			flag, _, _ = strings.Cut(flag, "=")
			all = append(all, flag)
			if !regexp.MustCompile(`(?m)^#if.*\b` + flag + `\b`).Match(text) {
				t.Errorf("%s: the model does not know %s", c.name(), flag)
			}
		}
	}
	for _, flag := range regexp.MustCompile(`BROKEN_[A-Z_]+`).FindAllString(string(text), -1) {
		if !slices.Contains(all, flag) {
			t.Errorf("no check makes the mistake %s", flag)
		}
	}
}
