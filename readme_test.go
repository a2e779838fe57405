package shmkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// readmeOutput is the output of the programs in README.md, in their order.
var readmeOutput = []string{
	"visits by all processes so far: 1\n",
	"42 <nil>\n",
	"[1 4 9] <nil>\n",
}

// TestReadmePrograms builds and runs the Go code in README.md. Each piece of it must be a whole
// program, which a reader can copy.
func TestReadmePrograms(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := goBlocks(string(text))
	if len(programs) != len(readmeOutput) {
		t.Fatalf("README.md has %d pieces of Go code, and this test has the output of %d", len(programs), len(readmeOutput))
	}
	dir := filepath.Join(t.TempDir(), "segments") // which the first program makes
	for i, program := range programs {
		t.Run(fmt.Sprint(i+1), func(t *testing.T) {
			path := buildProgram(t, program)
			cmd := exec.CommandContext(t.Context(), path)
			cmd.Env = append(os.Environ(), "SHMKIT_DIR="+dir)
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != readmeOutput[i] {
				t.Errorf("it prints %q, want %q; %v", out, readmeOutput[i], err)
			}
		})
	}
}

// docPrograms are packages whose documentation begins with a program, with the output of it.
var docPrograms = map[string]string{
	"queue": "1 of salt\n2 of tea\n",
	"shm":   "run number 1\n",
	"sync":  "the ledger was repaired 0 times\n",
}

// TestDocPrograms builds and runs the program in the documentation of each package.
func TestDocPrograms(t *testing.T) {
	for dir, want := range docPrograms {
		t.Run(dir, func(t *testing.T) {
			text, err := os.ReadFile(filepath.Join(dir, "doc.go"))
			if err != nil {
				t.Fatal(err)
			}
			cmd := exec.CommandContext(t.Context(), buildProgram(t, docProgram(string(text))))
			cmd.Env = append(os.Environ(), "SHMKIT_DIR="+filepath.Join(t.TempDir(), "segments"))
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("it prints %q, want %q; %v", out, want, err)
			}
		})
	}
}

// docProgram returns the program in the package documentation that text begins with, or "".
func docProgram(text string) string {
	_, rest, _ := strings.Cut(text, "\n//\tpackage main\n")
	program := "package main\n"
	for line := range strings.Lines(rest) {
		code, ok := strings.CutPrefix(line, "//\t")
		if !ok && line != "//\n" {
			break
		}
		if !ok {
			code = "\n"
		}
		program += code
	}
	return program
}

// goBlocks returns the blocks of a Markdown text that are marked as Go code.
func goBlocks(text string) (blocks []string) {
	for _, b := range blocksIn("", text) {
		if b.language == "go" {
			blocks = append(blocks, b.text)
		}
	}
	return blocks
}

// buildProgram builds the source of one program as if it lay in this module, and returns the path
// of the executable.
func buildProgram(t *testing.T, source string) string {
	t.Helper()
	path, _ := buildOverlay(t, map[string]string{"program/main.go": source})
	return path
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
}
