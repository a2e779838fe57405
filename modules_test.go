package shmkit

import (
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A goMod is what the go command says of a go.mod file.
type goMod struct {
	Module  struct{ Path string }
	Require []required
	Replace []struct {
		Old struct{ Path string }
		New struct{ Path string }
	}
}

// A required is a module that another one needs.
type required struct {
	Path     string
	Indirect bool
}

// goIn runs the go command in a directory, without the workspace.
func goIn(t *testing.T, dir string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "GOWORK=off")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}

func goModIn(t *testing.T, dir string) (m goMod) {
	t.Helper()
	if err := json.Unmarshal([]byte(goIn(t, dir, "mod", "edit", "-json")), &m); err != nil {
		t.Fatal(err)
	}
	return m
}

// nested are the directories of the modules below the root.
func nested(t *testing.T) (dirs []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() && (d.Name() == "testdata" || strings.HasPrefix(d.Name(), ".") && path != ".") {
			return filepath.SkipDir
		}
		if err == nil && d.Name() == "go.mod" && path != "go.mod" {
			dirs = append(dirs, filepath.ToSlash(filepath.Dir(path)))
		}
		return err
	})
	if err != nil || len(dirs) == 0 {
		t.Fatalf("no nested modules: %v", err)
	}
	return dirs
}

// A program that uses the root module must not download what only a nested module needs.
func TestRootNamesNoDependencyOfNestedModules(t *testing.T) {
	named := map[string]bool{}
	for _, file := range []string{"go.mod", "go.sum"} {
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(b)) {
			named[word] = true
		}
	}
	needed := strings.Fields(goIn(t, ".", "list", "-deps", "-test", "-f", "{{with .Module}}{{.Path}}{{end}}", "./..."))
	for _, dir := range nested(t) {
		for _, r := range goModIn(t, dir).Require {
			if !r.Indirect && named[r.Path] && !slices.Contains(needed, r.Path) {
				t.Errorf("go.mod or go.sum names %s, which only %s needs", r.Path, dir)
			}
		}
	}
}

// Until there is a tag, each nested module is built with the root module beside it, also without
// the workspace, which lists all of them.
func TestNestedModulesReplaceRootAndAreInWorkspace(t *testing.T) {
	var work struct{ Use []struct{ DiskPath string } }
	if err := json.Unmarshal([]byte(goIn(t, ".", "work", "edit", "-json", "go.work")), &work); err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, u := range work.Use {
		used[filepath.ToSlash(filepath.Clean(u.DiskPath))] = true
	}
	for _, dir := range nested(t) {
		if !used[dir] {
			t.Errorf("go.work does not list %s", dir)
		}
		m := goModIn(t, dir)
		needsRoot := slices.ContainsFunc(m.Require, func(r required) bool { return r.Path == module })
		if want := module + "/" + dir; m.Module.Path != want {
			t.Errorf("the module in %s is %s, want %s", dir, m.Module.Path, want)
		}
		up, err := filepath.Rel(dir, ".")
		if err != nil {
			t.Fatal(err)
		}
		replaced := false
		for _, r := range m.Replace {
			replaced = replaced || r.Old.Path == module && filepath.ToSlash(filepath.Clean(r.New.Path)) == filepath.ToSlash(up)
		}
		if needsRoot && !replaced {
			t.Errorf("%s/go.mod does not replace %s by %s", dir, module, up)
		}
	}
}
