package task

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Every error that a package of this module exports as a variable crosses processes.
func TestEveryExportedErrorIsRegistered(t *testing.T) {
	same := []string{"shmsync.ErrClosed", "shmsync.ErrTakenForDead"} // as those of shm
	for pkg, dir := range map[string]string{"shm": "../../shm", "shmsync": "../../sync", "queue": "../../queue", "pool": "../../pool"} {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil || len(files) == 0 {
			t.Fatal(dir, files, err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			for _, name := range exportedErrors(t, file) {
				name = pkg + "." + name
				there := func(s registeredError) bool { return s.name == name }
				if !slices.ContainsFunc(*registered.Load(), there) && !slices.Contains(same, name) {
					t.Errorf("%s does not reach another process: it is not registered", name)
				}
			}
		}
	}
}

// exportedErrors are the package's variables in the file with names that begin with Err.
func exportedErrors(t *testing.T, file string) (names []string) {
	f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range f.Decls {
		g, ok := d.(*ast.GenDecl)
		if !ok || g.Tok != token.VAR {
			continue
		}
		for _, s := range g.Specs {
			for _, n := range s.(*ast.ValueSpec).Names {
				if strings.HasPrefix(n.Name, "Err") {
					names = append(names, n.Name)
				}
			}
		}
	}
	return names
}
