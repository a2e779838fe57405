// Package shmkit holds no code. Its tests check what goes for the whole module.
package shmkit

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/shmkit/shmkit"

// layers is policy, the lowest first: a package may import the packages in earlier rows, and no
// others of this module. Tests may import any. A new package gets a place here; no edge is added to
// make a build pass.
var layers = [][]string{
	{"internal/environ", "internal/public"},
	{"internal/guard"},
	{
		"internal/cpu", "internal/race", "internal/crashpoint", "internal/futex", "internal/mapping", "internal/elem",
		"internal/codec", "internal/child", "internal/errno", "internal/notice",
		"internal/linemux", "internal/logwire", "internal/engine", "internal/frame", "internal/handshake", "internal/socket",
	},
	{"internal/proctest", "internal/event", "internal/message"},
	{"internal/wait"},
	{"internal/proctab"},
	{"internal/lock"},
	{"internal/directory"},
	{
		"internal/lock/rwmutex", "internal/lock/semaphore", "internal/lock/cond", "internal/lock/barrier",
		"internal/lock/waitgroup", "internal/lock/event",
	},
	{"internal/segment"},
	{"internal/owned", "internal/describe"},
	{"internal/ring", "internal/dict", "internal/cell", "internal/list"},
	{"internal/ring/mpmc", "internal/ring/spsc", "internal/ring/record", "internal/ring/seqlock", "internal/ring/stream", "internal/ring/cast"},
	{"internal/yields"},
	{"shm"},
	{"sync"},
	{"queue"},
	{"queue/pipe", "internal/task", "internal/tasktable", "shmlog"},
	{"internal/worker"},
	{"internal/parent"},
	{"pool"},
	{"process"},
	{"internal/inspect"},
	{"manager"},
}

// outside are the trees that may import any layer. No package outside of a tree imports it.
var outside = []string{"bench", "examples", "cmd", "internal/model", "internal/asleep", "internal/lock/locktest", "internal/pooltest"}

// houses are packages whose rooms, the packages right below them, do not import each other: what
// two rooms share belongs to the house.
var houses = []string{"internal/lock", "internal/ring"}

// bans are imports that only some files may have.
var bans = []struct {
	path    string // and everything under it
	allowed func(f source) bool
	reason  string
}{
	{"unsafe", func(f source) bool { return strings.HasSuffix(f.path, "_unsafe.go") },
		"unsafe code is read with other eyes, and so lives in files named *_unsafe.go"},
	{"syscall", func(f source) bool { return f.isOutside() || strings.HasPrefix(f.dir(), "internal/") },
		"system calls and their error numbers stay behind internal/"},
	{"golang.org/x/sys", func(f source) bool { return f.isOutside() || strings.HasPrefix(f.dir(), "internal/") },
		"system calls and their error numbers stay behind internal/"},
	{"C", source.isOutside, "the module builds without a C compiler"},
	{"testing", func(f source) bool { return f.isOutside() || f.dir() == "internal/proctest" },
		"a program does not link the test framework"},
	{module + "/internal/proctest", source.isOutside, "a program does not link the test framework"},
}

// maxLines bounds a file that is no test. A longer file holds more than one concept.
const maxLines = 400

// source is one Go file that is no test.
type source struct {
	path    string // relative to the root, with slashes
	imports []string
	lines   int
}

// dir is the directory of the file's package.
func (f source) dir() string { return filepath.ToSlash(filepath.Dir(f.path)) }

func (f source) isOutside() bool { return treeOf(f.dir()) != "" }

// treeOf returns the tree of outside that dir lies in, or "".
func treeOf(dir string) string {
	for _, tree := range outside {
		if dir == tree || strings.HasPrefix(dir, tree+"/") {
			return tree
		}
	}
	return ""
}

// rowOf returns the index of dir in layers, or -1.
func rowOf(dir string) int {
	return slices.IndexFunc(layers, func(row []string) bool { return slices.Contains(row, dir) })
}

// violations returns what is wrong with f, one line each.
func violations(f source) []string {
	var wrong []string
	report := func(format string, args ...any) {
		wrong = append(wrong, f.path+": "+fmt.Sprintf(format, args...))
	}
	if rowOf(f.dir()) < 0 && !f.isOutside() {
		report("package %s has no place in layers", f.dir())
	}
	if f.lines >= maxLines {
		report("%d lines; keep it below %d", f.lines, maxLines)
	}
	for _, path := range f.imports {
		for _, ban := range bans {
			if (path == ban.path || strings.HasPrefix(path, ban.path+"/")) && !ban.allowed(f) {
				report("imports %s: %s", path, ban.reason)
			}
		}
		dir, ok := strings.CutPrefix(path, module+"/")
		switch {
		case !ok:
		case !f.isOutside() && areRooms(f.dir(), dir):
			report("imports %s, another room of the same house", dir)
		case !mayImport(f.dir(), dir):
			report("imports %s, which is not below %s", dir, f.dir())
		}
	}
	return wrong
}

// areRooms reports whether two packages are rooms of the same house.
func areRooms(a, b string) bool {
	house := filepath.Dir(a)
	return a != b && house == filepath.Dir(b) && slices.Contains(houses, house)
}

// mayImport says whether the lattice has an edge between two packages of this module.
func mayImport(from, to string) bool {
	if tree := treeOf(to); tree != "" {
		return tree == treeOf(from)
	}
	return treeOf(from) != "" || rowOf(to) < rowOf(from)
}

func TestImportsPointDownward(t *testing.T) {
	files := sources(t)
	if len(files) == 0 {
		t.Fatal("found no Go files")
	}
	for _, f := range files {
		for _, wrong := range violations(f) {
			t.Error(wrong)
		}
	}
}

// sources returns the files of all packages of the module, for every system and tag, without the
// tests.
func sources(t *testing.T) []source {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	readDirs(t, root)
	files := make(map[string]source)
	for _, tags := range []string{"", "crashtest"} { // a package may exist only with the tag
		for _, path := range listFiles(t, tags) {
			name, err := filepath.Rel(root, path)
			if err != nil {
				t.Fatal(err)
			}
			files[name] = parse(t, filepath.ToSlash(name))
		}
	}
	return slices.SortedFunc(maps.Values(files), func(a, b source) int { return strings.Compare(a.path, b.path) })
}

// readDirs reads every directory of the module. The go command caches the result of a test by the
// files and directories that the test's process reads, but not by those that its children read, so
// that without this a new file would not make the result stale.
func readDirs(t *testing.T, root string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && path != root && entry.IsDir() && strings.HasPrefix(entry.Name(), ".") {
			return fs.SkipDir
		}
		return nil // a file may vanish meanwhile
	})
	if err != nil {
		t.Fatal(err)
	}
}

// listFiles returns the absolute paths of the files that the go command knows, including those
// that the build with these tags leaves out.
func listFiles(t *testing.T, tags string) []string {
	t.Helper()
	cmd := exec.Command("go", "list", "-tags="+tags, "-json=Dir,GoFiles,CgoFiles,IgnoredGoFiles", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	var paths []string
	for decoder := json.NewDecoder(bytes.NewReader(out)); ; {
		var p struct {
			Dir                               string
			GoFiles, CgoFiles, IgnoredGoFiles []string
		}
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return paths
		} else if err != nil {
			t.Fatal(err)
		}
		for _, name := range slices.Concat(p.GoFiles, p.CgoFiles, p.IgnoredGoFiles) {
			if !strings.HasSuffix(name, "_test.go") {
				paths = append(paths, filepath.Join(p.Dir, name))
			}
		}
	}
}

// parse reads the imports of the file at path.
func parse(t *testing.T, path string) source {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, text, parser.ImportsOnly)
	if err != nil {
		t.Fatal(err)
	}
	f := source{path: path, lines: bytes.Count(text, []byte("\n"))}
	for _, spec := range file.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			t.Fatal(err)
		}
		f.imports = append(f.imports, imported)
	}
	return f
}

func TestViolationsAreFound(t *testing.T) {
	for _, c := range []struct {
		path, imports string
		want          string // part of the one violation; "" when the file is in order
	}{
		{"shm/value.go", module + "/internal/lock", ""},
		{"pool/pool.go", module + "/internal/cpu", ""},
		{"bench/peers/boost.go", module + "/bench", ""},
		{"examples/counter/main.go", module + "/pool", ""},
		{"internal/futex/wait_unsafe.go", "unsafe", ""},
		{"internal/futex/wait.go", "syscall", ""},
		{"bench/cpu.go", "golang.org/x/sys/unix", ""},
		{"internal/proctest/main.go", "testing", ""},
		{"shm/syscalls.go", "example.org/syscall", ""},
		{"shm/value.go", module + "/sync", "not below shm"},
		{"internal/wait/wait.go", module + "/internal/proctab", "not below internal/wait"},
		{"internal/cpu/cpu.go", module + "/internal/race", "not below internal/cpu"},
		{"internal/lock/cond/cond.go", module + "/internal/lock", ""},
		{"internal/lock/cond/cond.go", module + "/internal/lock/event", "another room"},
		{"pool/pool.go", module + "/bench", "imports bench, which"},
		{"examples/counter/main.go", module + "/bench", "imports bench, which"},
		{"internal/lock/word.go", module + "/internal/model", "imports internal/model, which"},
		{"shm/value.go", "unsafe", "*_unsafe.go"},
		{"bench/cpu.go", "unsafe", "*_unsafe.go"},
		{"shm/value.go", "syscall", "behind internal/"},
		{"queue/ring_unsafe.go", "golang.org/x/sys/unix", "behind internal/"},
		{"internal/futex/wait.go", "C", "without a C compiler"},
		{"shm/value.go", "testing", "test framework"},
		{"internal/wait/wait.go", module + "/internal/proctest", "test framework"},
		{"internal/util/util.go", "fmt", "no place in layers"},
		{"value.go", "fmt", "no place in layers"},
		{"internal/ring/stream/stream.go", module + "/internal/ring", ""},
		{"internal/ring/stream/stream.go", module + "/internal/ring/spsc", "another room of the same house"},
		{"internal/ring/ring.go", module + "/internal/ring/stream", "not below internal/ring"},
		{"benchmark/a.go", "fmt", "no place in layers"},
	} {
		got := violations(source{path: c.path, imports: []string{c.imports}})
		if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || !strings.Contains(got[0], c.want)) {
			t.Errorf("%s importing %s: got %q, want %q", c.path, c.imports, got, c.want)
		}
	}
	if got := violations(source{path: "shm/long.go", lines: maxLines}); len(got) != 1 {
		t.Errorf("a file of %d lines: %q", maxLines, got)
	}
	if got := violations(source{path: "shm/long.go", lines: maxLines - 1}); len(got) != 0 {
		t.Errorf("a file of %d lines: %q", maxLines-1, got)
	}
}
