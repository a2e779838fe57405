package shmkit

import (
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// docOutput is the output of the program that the documentation of a package begins with.
var docOutput = map[string]string{
	"shm": "run number 1\n",
}

// TestDocPrograms builds and runs the programs that the documentation of packages begins with.
func TestDocPrograms(t *testing.T) {
	for dir, want := range docOutput {
		t.Run(dir, func(t *testing.T) {
			program := firstProgram(t, filepath.Join(dir, "doc.go"))
			cmd := exec.CommandContext(t.Context(), buildProgram(t, program))
			cmd.Env = append(os.Environ(), "SHMKIT_DIR="+filepath.Join(t.TempDir(), "segments"))
			if out, err := cmd.CombinedOutput(); err != nil || string(out) != want {
				t.Errorf("it prints %q, want %q; %v", out, want, err)
			}
		})
	}
}

// firstProgram is the first code in the documentation of a package, which must be a whole program.
func firstProgram(t *testing.T, path string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments)
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range new(comment.Parser).Parse(file.Doc.Text()).Content {
		if code, ok := block.(*comment.Code); ok {
			if !strings.HasPrefix(code.Text, "package main\n") {
				t.Fatalf("%s does not begin with a program", path)
			}
			return code.Text
		}
	}
	t.Fatalf("%s has no program", path)
	return ""
}
