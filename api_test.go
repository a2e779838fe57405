package shmkit

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// writeAPI is the command that records the exported names anew.
const writeAPI = "SHMKIT_API=write go test -run TestAPI ."

// TestAPI compares the exported names of each package that programs import with its record in api.
// A change of a record is a change for users: it also needs a line in CHANGELOG.md.
func TestAPI(t *testing.T) {
	kept := make(map[string]bool)
	for _, dir := range publicPackages() {
		names, err := exported(dir)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join("api", strings.ReplaceAll(dir, "/", "-")+".txt")
		kept[path] = true
		if os.Getenv("SHMKIT_API") == "write" {
			if err := os.WriteFile(path, []byte(strings.Join(names, "\n")+"\n"), 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		recorded, err := os.ReadFile(path)
		if err != nil {
			t.Errorf("%v; record it with: %s", err, writeAPI)
			continue
		}
		for _, change := range changes(strings.Split(strings.TrimSpace(string(recorded)), "\n"), names) {
			t.Errorf("%s: %s", dir, change)
		}
	}
	records, err := filepath.Glob("api/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range records {
		if !kept[path] {
			t.Errorf("%s is the record of no package", path)
		}
	}
	if t.Failed() {
		t.Logf("if the change is meant: %s && git diff api, and a line in CHANGELOG.md", writeAPI)
	}
}

// publicPackages are the packages of layers that programs may import, and those of modules that are
// kept apart.
func publicPackages() (dirs []string) {
	for _, dir := range slices.Concat(layers...) {
		if info, err := os.Stat(dir); err == nil && info.IsDir() && !strings.Contains("/"+dir, "/internal/") {
			dirs = append(dirs, dir)
		}
	}
	return append(dirs, "cluster")
}

// changes returns the differences between two lists of names, one line each.
func changes(old, names []string) (lines []string) {
	for _, name := range old {
		if !slices.Contains(names, name) {
			lines = append(lines, "gone: "+name)
		}
	}
	for _, name := range names {
		if !slices.Contains(old, name) {
			lines = append(lines, "not recorded: "+name)
		}
	}
	return lines
}

// TestAPIFinds shows that each kind of exported name is in the record, and no other name.
func TestAPIFinds(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "a.go"), []byte(`package a

import "io"

const A, b = 1, 2

var C int

func D(x int, y ...string) (z error) { return nil }
func e()                           {}

type F[K comparable, V any] struct {
	G, h int
	io.Reader
}

func (f *F[K, V]) I() {}
func (f F[K, V]) j()  {}

type k struct{ L int }

func (k) M() {}

type N interface{ O(int) bool }
type P = io.Writer
type Q uint32
`))
	write(t, filepath.Join(dir, "a_test.go"), []byte("package a\n\nfunc R() {}\n"))
	got, err := exported(dir)
	want := []string{
		"const A", "element N.O (int) bool", "field F.G int", "field F: io.Reader",
		"func D(x int, y ...string) (z error)", "method (*F[K, V]) I()", "type F[K comparable, V any] struct",
		"type N interface", "type P = io.Writer", "type Q uint32", "var C",
	}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("found %q, %v; want %q", got, err, want)
	}
	if got := changes([]string{"a", "b"}, []string{"b", "c"}); !slices.Equal(got, []string{"gone: a", "not recorded: c"}) {
		t.Errorf("changes: %q", got)
	}
}

// exported returns a line for each exported name of the package in dir, sorted. Fields of exported
// structs and methods of exported types are included.
func exported(dir string) (names []string, err error) {
	files := token.NewFileSet()
	paths, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	a := api{files: files}
	for _, path := range paths {
		if strings.HasSuffix(path, "_test.go") || strings.HasSuffix(path, "_other.go") {
			continue
		}
		f, err := parser.ParseFile(files, path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range f.Decls {
			a.decl(d)
		}
	}
	if len(a.names) == 0 {
		return nil, fmt.Errorf("%s: no exported names", dir)
	}
	slices.Sort(a.names)
	return slices.Compact(a.names), nil
}

// api collects exported names.
type api struct {
	files *token.FileSet
	names []string
}

func (a *api) add(format string, args ...any) {
	a.names = append(a.names, fmt.Sprintf(format, args...))
}

func (a *api) decl(d ast.Decl) {
	switch d := d.(type) {
	case *ast.FuncDecl:
		a.function(d)
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch spec := spec.(type) {
			case *ast.TypeSpec:
				a.typeSpec(spec)
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					if name.IsExported() {
						a.add("%s %s", d.Tok, name.Name)
					}
				}
			}
		}
	}
}

func (a *api) function(d *ast.FuncDecl) {
	if !d.Name.IsExported() {
		return
	}
	signature := strings.TrimPrefix(a.text(d.Type), "func")
	if d.Recv == nil {
		a.add("func %s%s", d.Name.Name, signature)
		return
	}
	if receiver := a.text(d.Recv.List[0].Type); ast.IsExported(strings.TrimLeft(receiver, "*")) {
		a.add("method (%s) %s%s", receiver, d.Name.Name, signature)
	}
}

func (a *api) typeSpec(spec *ast.TypeSpec) {
	if !spec.Name.IsExported() {
		return
	}
	name := spec.Name.Name
	if spec.TypeParams != nil {
		var params []string
		for _, p := range spec.TypeParams.List {
			for _, n := range p.Names {
				params = append(params, n.Name+" "+a.text(p.Type))
			}
		}
		name += "[" + strings.Join(params, ", ") + "]"
	}
	equals := ""
	if spec.Assign.IsValid() {
		equals = "= "
	}
	switch underlying := spec.Type.(type) {
	case *ast.StructType:
		a.add("type %s %sstruct", name, equals)
		a.fields(spec.Name.Name, "field", underlying.Fields)
	case *ast.InterfaceType:
		a.add("type %s %sinterface", name, equals)
		a.fields(spec.Name.Name, "element", underlying.Methods)
	default:
		a.add("type %s %s%s", name, equals, a.text(spec.Type))
	}
}

func (a *api) fields(of, kind string, list *ast.FieldList) {
	for _, f := range list.List {
		if len(f.Names) == 0 {
			if text := a.text(f.Type); ast.IsExported(text[strings.LastIndexAny(text, "*.")+1:]) || kind == "element" {
				a.add("%s %s: %s", kind, of, text)
			}
		}
		for _, name := range f.Names {
			if name.IsExported() {
				a.add("%s %s.%s %s", kind, of, name.Name, strings.TrimPrefix(a.text(f.Type), "func"))
			}
		}
	}
}

// text prints a type on one line.
func (a *api) text(x ast.Node) string {
	var b bytes.Buffer
	if err := printer.Fprint(&b, a.files, x); err != nil {
		return err.Error()
	}
	line := strings.Join(strings.Fields(b.String()), " ")
	return strings.NewReplacer("( ", "(", ", )", ")").Replace(line)
}
