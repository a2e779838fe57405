package model

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A lockSize says how much a configuration costs, and so when it is run.
type lockSize int

const (
	lockSmall  lockSize = iota // a second: always
	lockMedium                 // up to a minute: not with -short
	lockLarge                  // minutes: with SHMKIT_LONG=1
)

func lockSizes() lockSize {
	switch {
	case os.Getenv("SHMKIT_LONG") != "":
		return lockLarge
	case testing.Short():
		return lockSmall
	}
	return lockMedium
}

// A lockConfig is the names to define in lock.pml, without -D.
type lockConfig struct {
	size  lockSize
	names string
}

var soundLocks = []lockConfig{
	{lockSmall, "ROUNDS=2"},
	{lockSmall, "ROUNDS=2 DEATHS=1"},
	{lockSmall, "ROUNDS=2 STARVE CANCELS=1"},
	{lockMedium, "PROCS=3 CANCELS=1"},
	{lockLarge, "PROCS=3 STARVE"},
	{lockMedium, "PROCS=3 DEATHS=1"},
	{lockMedium, "ROUNDS=2 DEATHS=1 LATE STARVE CANCELS=1"},
	{lockLarge, "ROUNDS=2 DEATHS=2 LATE STARVE"},
	{lockMedium, "ROUNDS=3 DEATHS=1 STARVE DAWDLE"},
	{lockMedium, "CLOSE"},
	{lockLarge, "PROCS=3 DEATHS=2 BACKSTOP"},
	{lockLarge, "PROCS=3 ROUNDS=2"},
	{lockLarge, "PROCS=3 STARVE CANCELS=1"},
	{lockLarge, "CLOSE STARVE"},
}

// brokenLocks contain one mistake each.
var brokenLocks = []lockConfig{
	{lockSmall, "BROKEN_NO_MEMBARRIER"},
	{lockSmall, "BROKEN_RING_NO_WAKE"},
	{lockSmall, "ROUNDS=2 BROKEN_TAKE_STORE"},
	{lockSmall, "DEATHS=1 BROKEN_TAKEOVER_SILENT"},
	{lockSmall, "PROCS=3 STARVE BROKEN_TAKES_ANY_OFFER"},
	{lockMedium, "BROKEN_NO_SECOND_LOOK"},
	{lockMedium, "PROCS=3 BROKEN_SLEEP_NO_COMPARE"},
	{lockMedium, "PROCS=3 BROKEN_DISARM_STORE"},
	{lockMedium, "ROUNDS=2 STARVE CANCELS=1 BROKEN_NO_REFUSE"},
	{lockMedium, "PROCS=3 STARVE CANCELS=1 BROKEN_LEAVE_NO_RING"},
	{lockMedium, "PROCS=3 DEATHS=1 ENOUGH=1"},
	{lockMedium, "DEATHS=1 BROKEN_SLEEP_NO_LIVENESS"},
	{lockMedium, "DEATHS=1 LATE BROKEN_DEAD_NO_MEMBARRIER"},
	{lockMedium, "ROUNDS=2 DEATHS=1 BROKEN_NO_POISON"},
	{lockMedium, "CLOSE BROKEN_FREE_STORE"},
	{lockMedium, "CLOSE BROKEN_NO_SETTLE"},
	{lockMedium, "CLOSE BROKEN_SETTLE_NO_FIRST"},
	{lockMedium, "CLOSE BROKEN_RELEASING_CLEARED_AFTER"},
}

func TestLockSound(t *testing.T) {
	eachLock(t, soundLocks, func(t *testing.T, c lockConfig) {
		out := c.verify(t, "-O2")
		if !strings.Contains(out, "errors: 0") {
			t.Errorf("an error was found, or the search did not end:\n%s", out)
		}
		// It may have been cut short without an error.
		for _, cut := range []string{"max search depth too small", "Search not completed", "out of memory", "reached -DMEMLIM"} {
			if strings.Contains(out, cut) {
				t.Errorf("the search was not complete:\n%s", out)
			}
		}
	})
}

func TestLockBroken(t *testing.T) {
	eachLock(t, brokenLocks, func(t *testing.T, c lockConfig) {
		out := c.verify(t, "-O1")
		if !strings.Contains(out, "assertion violated") && !strings.Contains(out, "invalid end state (at") {
			t.Errorf("the mistake was not found:\n%s", out)
		}
	})
}

func eachLock(t *testing.T, configs []lockConfig, check func(*testing.T, lockConfig)) {
	needPrograms(t, "spin", "gcc")
	for _, c := range configs {
		if c.size <= lockSizes() {
			t.Run(c.names, func(t *testing.T) { check(t, c) })
		}
	}
}

// needPrograms skips the test when a program is missing, but not where all tests have to run.
func needPrograms(t *testing.T, programs ...string) {
	t.Helper()
	for _, p := range programs {
		if _, err := exec.LookPath(p); err == nil {
			continue
		}
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is not installed", p)
		}
		t.Skipf("%s is not installed", p)
	}
}

var lockStates = regexp.MustCompile(`\d+ states, stored`)

// verify searches all states of the model and returns what the search says.
func (c lockConfig) verify(t *testing.T, optimize string) string {
	t.Helper()
	model, err := filepath.Abs("lock.pml")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	args := []string{"-a"}
	for _, name := range strings.Fields(c.names) {
		args = append(args, "-D"+name)
	}
	runProgram(t, dir, "spin", append(args, model)...)
	runProgram(t, dir, "gcc", optimize, "-w", "-DSAFETY", "-DCOLLAPSE", "-DMEMLIM=3000", "-o", "pan", "pan.c")
	out := runProgram(t, dir, filepath.Join(dir, "pan"), "-m1000000")
	t.Log(lockStates.FindString(out))
	return out
}

// runProgram runs a program in dir and returns its output. Pan exits with 0 whatever it finds.
func runProgram(t *testing.T, dir, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out)
}
