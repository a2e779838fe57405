package shmkit

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A docBlock is a block of code in a document below docs.
//
//	```go, beginning with package main   a program, which is built and run
//	```go, with another package          a file of tests, which go test runs
//	```go, anything else                 declarations, and statements in a function that has
//	                                     ctx, an empty segment seg, and returns an error
//	```text, directly after one of them  what it prints
//	```sh                                lines with "$ " are commands, others what they print
type docBlock struct {
	document string
	line     int // of the first line in the document
	language string
	text     string
	prints   string // "" when no output follows
}

func (b docBlock) name() string { return fmt.Sprintf("%s:%d", b.document, b.line) }

// at has the compiler name the document and its line for the text that follows, which begins so
// many lines behind the beginning of the block.
func (b docBlock) at(lines int) string {
	return fmt.Sprintf("//line %s:%d\n", b.document, b.line+lines)
}

// docBlocks returns the blocks of code of all documents below docs.
func docBlocks(t *testing.T) (blocks []docBlock) {
	t.Helper()
	err := filepath.WalkDir("docs", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || filepath.Ext(path) != ".md" {
			return err
		}
		text, err := os.ReadFile(path)
		blocks = append(blocks, blocksIn(path, string(text))...)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return blocks
}

// blocksIn returns the blocks of code in one document.
func blocksIn(document, text string) (blocks []docBlock) {
	lines := strings.Split(text, "\n")
	after := -1 // the last line of the block before
	for i := 0; i < len(lines); i++ {
		language, ok := strings.CutPrefix(lines[i], "```")
		if !ok {
			continue
		}
		end := i + 1
		for end < len(lines) && lines[end] != "```" {
			end++
		}
		b := docBlock{document: document, line: i + 2, language: language, text: strings.Join(lines[i+1:end], "\n") + "\n"}
		between := strings.TrimSpace(strings.Join(lines[after+1:i], ""))
		if last := len(blocks) - 1; language == "text" && between == "" && after >= 0 && blocks[last].language == "go" {
			blocks[last].prints = b.text
		}
		blocks = append(blocks, b)
		i, after = end, end
	}
	return blocks
}

// TestDocPages runs the Go code of all documents below docs. The programs are built as one, in
// which each is a package of its own: so the names of their tasks and resources must differ.
func TestDocPages(t *testing.T) {
	var programs []docBlock
	for _, b := range docBlocks(t) {
		if b.language == "go" && !isTestFile(b.text) {
			programs = append(programs, b)
		}
	}
	if len(programs) == 0 {
		t.Fatal("no Go code was found below docs")
	}
	path := buildPages(t, programs)
	for i, b := range programs {
		t.Run(b.name(), func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), path)
			cmd.Env = append(os.Environ(), fmt.Sprint("DOC_PROGRAM=", i), "SHMKIT_DIR="+filepath.Join(t.TempDir(), "segments"))
			cmd.Dir = t.TempDir()
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
			if want := b.prints; !matchesOutput(string(out), want) {
				t.Errorf("it prints\n%swant\n%s", out, want)
			}
		})
	}
}

// TestDocTests runs the files of tests in the documents below docs.
func TestDocTests(t *testing.T) {
	for _, b := range docBlocks(t) {
		if b.language != "go" || !isTestFile(b.text) {
			continue
		}
		t.Run(b.name(), func(t *testing.T) {
			overlay := overlayOf(t, map[string]string{"program/page_test.go": b.text})
			path := filepath.Join(t.TempDir(), "page.test")
			build := exec.CommandContext(t.Context(), "go", "test", "-c", "-vet=off", "-overlay", overlay, "-o", path, "./program")
			if out, err := build.CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
			cmd := exec.CommandContext(t.Context(), path)
			cmd.Env = append(os.Environ(), "SHMKIT_DIR="+filepath.Join(t.TempDir(), "segments"))
			cmd.Dir = t.TempDir()
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestDocCommands runs the commands in the documents below docs, in the root of the module.
func TestDocCommands(t *testing.T) {
	for _, b := range docBlocks(t) {
		if b.language != "sh" {
			continue
		}
		t.Run(b.name(), func(t *testing.T) {
			segments := filepath.Join(t.TempDir(), "segments")
			for _, step := range strings.Split("\n"+b.text, "\n$ ")[1:] {
				command, want, _ := strings.Cut(step, "\n")
				cmd := exec.CommandContext(t.Context(), "bash", "-c", command)
				cmd.Env = append(os.Environ(), "SHMKIT_DIR="+segments)
				out, err := cmd.CombinedOutput()
				if err != nil {
					t.Errorf("%s: %v\n%s", command, err, out)
				}
				if want != "" && !matchesOutput(string(out), want+"\n") {
					t.Errorf("%s: it prints\n%swant\n%s", command, out, want)
				}
			}
		})
	}
}

// matchesOutput compares what was printed with what a document says. There … stands for any text.
func matchesOutput(out, want string) bool {
	parts := strings.Split(strings.TrimRight(want, "\n"), "…")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	whole := regexp.MustCompile(`(?s)^` + strings.Join(parts, ".*") + `$`)
	return whole.MatchString(strings.TrimRight(out, "\n"))
}

func isTestFile(text string) bool {
	return strings.HasPrefix(text, "package ") && !strings.HasPrefix(text, "package main\n")
}

// buildPages builds a program that runs the block whose number is in DOC_PROGRAM.
func buildPages(t *testing.T, blocks []docBlock) (path string) {
	t.Helper()
	files := map[string]string{}
	var imports, cases strings.Builder
	for i, b := range blocks {
		name := fmt.Sprint("page", i)
		files["program/"+name+"/page.go"] = pageSource(t, b, name)
		fmt.Fprintf(&imports, "\t%q\n", "github.com/shmkit/shmkit/program/"+name)
		fmt.Fprintf(&cases, "\tcase \"%d\":\n\t\t%s.Main()\n", i, name)
	}
	files["program/main.go"] = "package main\n\nimport (\n\t\"os\"\n" + imports.String() + ")\n\nfunc main() {\n\tswitch os.Getenv(\"DOC_PROGRAM\") {\n" + cases.String() + "\t}\n}\n"
	path, _ = buildOverlay(t, files)
	return path
}

// buildOverlay builds the package program of these files, which lie in this module only for that.
// It returns the path of the executable, and what the compiler says.
func buildOverlay(t *testing.T, files map[string]string, flags ...string) (path, said string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "program")
	args := append([]string{"build", "-overlay", overlayOf(t, files), "-o", path}, flags...)
	out, err := exec.CommandContext(t.Context(), "go", append(args, "./program")...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path, string(out)
}

// overlayOf writes files as if they lay in the module, and returns the file that tells the go
// command of them.
func overlayOf(t *testing.T, files map[string]string) (path string) {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	replace := map[string]string{}
	for name, text := range files {
		lies := filepath.Join(dir, strings.ReplaceAll(name, "/", "_"))
		write(t, lies, []byte(text))
		replace[filepath.Join(root, name)] = lies
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "overlay.json")
	write(t, path, text)
	return path
}

// pageSource returns the block as a package that has a function Main.
func pageSource(t *testing.T, b docBlock, name string) string {
	t.Helper()
	if text, ok := strings.CutPrefix(b.text, "package main\n"); ok {
		return "package " + name + "\n" + b.at(1) + strings.Replace(text, "\nfunc main() {", "\nfunc Main() {", 1)
	}
	declarations, statements := splitFragment(b.text)
	body := b.at(0) + declarations
	if strings.TrimSpace(statements) == "" {
		body += "\nfunc Main() {}\n"
	} else {
		body += "\nfunc Main() {\n\tpool.Main()\n\tseg, err := shm.Anonymous(shm.Options{})\n\tif err != nil {\n\t\tlog.Fatal(err)\n\t}\n" +
			"\tif err := fragment(context.Background(), seg); err != nil {\n\t\tlog.Fatal(err)\n\t}\n}\n\n" +
			"func fragment(ctx context.Context, seg *shm.Segment) error {\n\t_, _ = ctx, seg\n" + b.at(strings.Count(declarations, "\n")) + statements + "\treturn nil\n}\n"
	}
	return "package " + name + "\n\nimport (\n" + importsFor(t, b, body) + ")\n\n" + body
}

// splitFragment cuts a fragment into the declarations that it begins with and the statements that
// follow. It cuts at an empty line.
func splitFragment(text string) (declarations, statements string) {
	paragraphs := strings.SplitAfter(text, "\n\n")
	for n := len(paragraphs); n > 0; n-- {
		head := strings.Join(paragraphs[:n], "")
		file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+head, 0)
		if err == nil && (n == len(paragraphs) || !onlyVariables(file)) {
			return head, strings.Join(paragraphs[n:], "")
		}
	}
	return "", text
}

// onlyVariables reports whether a file declares nothing but variables without a value: these are
// statements as well.
func onlyVariables(file *ast.File) bool {
	for _, d := range file.Decls {
		general, ok := d.(*ast.GenDecl)
		if !ok || general.Tok != token.VAR || len(general.Specs[0].(*ast.ValueSpec).Values) > 0 {
			return false
		}
	}
	return true
}

// docImports are the packages that fragments use without importing them.
var docImports = map[string]string{
	"context": "", "errors": "", "fmt": "", "io": "", "log": "", "os": "", "slices": "", "strings": "", "time": "", "net": "", "bytes": "",
	"slog": "log/slog", "http": "net/http", "iter": "", "maps": "", "runtime": "", "signal": "os/signal", "syscall": "",
	"shm": "github.com/shmkit/shmkit/shm", "shmsync": "github.com/shmkit/shmkit/sync",
	"queue": "github.com/shmkit/shmkit/queue", "pipe": "github.com/shmkit/shmkit/queue/pipe",
	"pool": "github.com/shmkit/shmkit/pool", "process": "github.com/shmkit/shmkit/process",
	"shmlog": "github.com/shmkit/shmkit/shmlog", "manager": "github.com/shmkit/shmkit/manager",
}

// importsFor returns the imports that a fragment needs.
func importsFor(t *testing.T, b docBlock, body string) string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "", "package p\n"+body, 0)
	if err != nil {
		t.Fatalf("%s: %v\n%s", b.name(), err, body)
	}
	var lines []string
	ast.Inspect(file, func(n ast.Node) bool {
		selector, ok := n.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		name, ok := selector.X.(*ast.Ident)
		if !ok {
			return true
		}
		if path, known := docImports[name.Name]; known && name.Obj == nil {
			if path == "" {
				path = name.Name
			}
			lines = append(lines, fmt.Sprintf("\t%s %q\n", name.Name, path))
		}
		return true
	})
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}
