//go:build linux

package bench

import (
	"regexp"
	"strings"
	"testing"
)

// selects reports whether the pattern of -bench asks for the row of that name. The contenders of a
// comparison are measured together, so a row that is not asked for must be left out before the
// testing package is asked to run it.
func selects(pattern, name string) bool {
	elements := strings.Split(name, "/")
	for _, alternative := range splitOutside(pattern, '|') {
		if matchesAll(splitOutside(alternative, '/'), elements) {
			return true
		}
	}
	return false
}

// matchesAll reports whether each element of a name matches the pattern at its place, if there is
// one.
func matchesAll(patterns, elements []string) bool {
	for i, p := range patterns[:min(len(patterns), len(elements))] {
		if ok, err := regexp.MatchString(p, elements[i]); err == nil && !ok {
			return false
		}
	}
	return true
}

// splitOutside splits a pattern at each separator that is outside of brackets and parentheses, as
// the testing package does.
func splitOutside(pattern string, separator byte) (parts []string) {
	start, inBrackets, depth := 0, false, 0
	for i := 0; i < len(pattern); i++ {
		switch c := pattern[i]; {
		case c == '\\':
			i++
		case c == '[':
			inBrackets = true
		case c == ']':
			inBrackets = false
		case inBrackets:
		case c == '(':
			depth++
		case c == ')':
			depth--
		case c == separator && depth == 0:
			parts = append(parts, pattern[start:i])
			start = i + 1
		}
	}
	return append(parts, pattern[start:])
}

func TestSelects(t *testing.T) {
	const name = "BenchmarkApply/hot/payload=int/impl=shmkit"
	for pattern, want := range map[string]bool{
		".": true, "Apply": true, "Apply/hot": true, "Apply/hot/payload": true, "Apply/hot/payload/impl=shm": true,
		"Versus/lock|Apply/hot/payload": true, "Apply/hot/payload|Versus/lock": true, "Versus|Apply": true,
		"Apply/(hot|cold)/.*int": true, "[A/]pply": true, `Ap\/|Apply`: true, "Apply///impl=(local|shmkit)": true,
		"Map": false, "Apply/cold": false, "Apply/hot/payload=8B": false, "Apply/hot/payload/impl=local": false,
		"Versus/lock|Map/hot": false, "Apply/(cold|warm)": false, "hot": false, `Ap\|ply`: false,
	} {
		if got := selects(pattern, name); got != want {
			t.Errorf("%s selects the row: %v, want %v", pattern, got, want)
		}
	}
}
