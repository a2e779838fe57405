// Package lengthtest compares the length of an example with that of the Python program that stands
// in its comment.
package lengthtest

import (
	"os"
	"strings"
	"testing"
)

// AtMostTwice fails the test when main.go has more than twice as many lines of code as the Python
// program in the comment before its package clause. Imports, blank lines, comments and lines of
// closing brackets alone do not count, on either side.
func AtMostTwice(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile("main.go")
	if err != nil {
		t.Fatal(err)
	}
	comment, rest, _ := strings.Cut(string(text), "\npackage main\n")
	_, code, found := strings.Cut(rest, "\n)\n")
	if !found {
		t.Fatal("the imports do not end")
	}
	python := 0
	for line := range strings.Lines(comment) {
		line, isCode := strings.CutPrefix(line, "//\t")
		if line = strings.TrimSpace(line); isCode && line != "" && !strings.HasPrefix(line, "from ") {
			python++
		}
	}
	ours := 0
	for line := range strings.Lines(code) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "//") && strings.Trim(line, "})") != "" {
			ours++
		}
	}
	t.Logf("%d lines, %d in Python", ours, python)
	if python == 0 || ours > 2*python {
		t.Errorf("%d lines of code, more than twice the %d in Python", ours, python)
	}
}
