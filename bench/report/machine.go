package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A machine is where and with what a report was measured.
type machine struct {
	Day        string
	Processor  string
	Processors int
	Kernel     string
	Go         string
	Compiler   string
	Python     string
	Commit     string
	Turns      int
	Missing    []string // rows that could not be measured, and why
}

func thisMachine(root string, turns int) machine {
	m := machine{
		Day: time.Now().UTC().Format(time.DateOnly), Processor: processor(), Processors: runtime.NumCPU(), Go: runtime.Version(),
		Kernel: firstLine(".", "uname", "-sr"), Compiler: firstLine(".", "cc", "--version"), Python: firstLine(".", "python3", "--version"),
		Commit: firstLine(root, "git", "rev-parse", "--short", "HEAD"), Turns: turns,
	}
	return m
}

// processor is the name of the processor, and whether it is a virtual one.
func processor() string {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "unknown"
	}
	name, virtual := "unknown", ""
	for line := range strings.Lines(string(text)) {
		key, value, _ := strings.Cut(line, ":")
		switch strings.TrimSpace(key) {
		case "model name":
			name = strings.TrimSpace(value)
		case "flags":
			if strings.Contains(value, " hypervisor") {
				virtual = ", virtual"
			}
		}
	}
	return name + virtual
}

// firstLine is the first line that a program prints, or why there is none.
func firstLine(dir, program string, args ...string) string {
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	out, err := cmd.Output()
	if err != nil {
		return "missing: " + program
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line)
}
