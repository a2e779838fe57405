package linemux

import (
	"bytes"
	"strings"
)

// causes begin the first line that the Go runtime writes when it crashes. Stacks follow, which may
// be long. A signal that is fatal begins it with its name: "SIGABRT: abort", "SIGSEGV: segmentation
// violation", "SIGQUIT: quit".
var causes = []string{"panic: ", "fatal error: ", "unexpected fault address ", "runtime: out of memory", "runtime/cgo: "}

// isCause says that a line is the first that the Go runtime writes when it crashes.
func isCause(line []byte) bool {
	for _, prefix := range causes {
		if bytes.HasPrefix(line, []byte(prefix)) {
			return true
		}
	}
	name, text, ok := bytes.Cut(line, []byte(": "))
	return ok && len(text) > 0 && isSignal(name)
}

// isSignal says that name is that of a signal, such as SIGABRT.
func isSignal(name []byte) bool {
	rest, ok := bytes.CutPrefix(name, []byte("SIG"))
	return ok && len(rest) > 1 && len(bytes.Trim(rest, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789")) == 0
}

// aborts are words that C and C++ libraries write before they abort the process.
var aborts = []string{
	"ssertion", "terminate called", "what():", "double free", "free():", "malloc", "realloc", "munmap_chunk", "corrupted",
	" detected", "atal",
}

// Headline is what says most of a crash: the line with which a crash of the Go runtime begins, or
// what C has written before it, otherwise the last line. It is empty when there is none.
func Headline(stderr string) string {
	var lines []string // those that are not empty
	cause, since := -1, 0
	for line := range strings.Lines(stderr) {
		since += len(line)
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		if isCause([]byte(line)) && (cause < 0 || since > causeBytes) {
			cause, since = len(lines), 0
		}
		lines = append(lines, line)
	}
	switch {
	case len(lines) == 0:
		return ""
	case cause < 0:
		return lines[len(lines)-1]
	case cause > 0 && strings.HasPrefix(lines[cause], "SIGABRT: "):
		return abortHeadline(lines[:cause], lines[cause])
	}
	return lines[cause]
}

// abortHeadline is the headline of an abort after some lines. C says why before it aborts; but what
// was written last may be about something else.
func abortHeadline(before []string, cause string) string {
	last := before[len(before)-1]
	if strings.HasPrefix(last, "what():") && len(before) > 1 {
		last = before[len(before)-2] + " " + last
	}
	for _, words := range aborts {
		if strings.Contains(last, words) {
			return last + " (" + cause + ")"
		}
	}
	return cause + ", after: " + last
}
