package shmkit

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"

	"golang.org/x/tools/go/packages"
)

// theClock is that of all packages of the module, with and without crash points.
var theClock = sync.OnceValues(func() (*clock, error) {
	root, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	c := newClock(token.NewFileSet(), root)
	for _, tags := range []string{"", "crashtest"} {
		if err := c.load(tags, nil, "./..."); err != nil {
			return nil, err
		}
	}
	return c, nil
})

func loadClock(t *testing.T) *clock {
	t.Helper()
	c, err := theClock()
	if err != nil {
		t.Fatal(err)
	}
	readDirs(t, c.root)
	return c
}

// load reads packages and their tests, and notes what those files say of time that it has not read
// so far. Packages of this module are checked from their source and the others taken from the build
// cache, so that nothing has to be compiled.
func (c *clock) load(tags string, overlay map[string][]byte, patterns ...string) error {
	loaded, err := packages.Load(&packages.Config{
		Mode:  packages.NeedName | packages.NeedFiles | packages.NeedImports | packages.NeedDeps,
		Tests: true, BuildFlags: []string{"-tags=" + tags}, Overlay: overlay,
	}, patterns...)
	if err != nil {
		return err
	}
	l := &loader{clock: c, overlay: overlay, others: make(map[string]*types.Package), checked: make(map[string]*types.Package)}
	if err := l.loadOthers(loaded); err != nil {
		return err
	}
	for _, p := range loaded {
		if !strings.HasSuffix(p.ID, ".test") {
			if _, err := l.check(p); err != nil {
				return err
			}
		}
	}
	return nil
}

// A loader checks the types of packages.
type loader struct {
	clock   *clock
	overlay map[string][]byte
	others  map[string]*types.Package // of other modules, by path
	checked map[string]*types.Package // of this one, by id; a variant for a test has its own
}

// loadOthers gets the types of what this module imports from others.
func (l *loader) loadOthers(ours []*packages.Package) error {
	var paths []string
	packages.Visit(ours, func(p *packages.Package) bool {
		if !strings.HasPrefix(p.PkgPath, module) {
			return false
		}
		for path, imported := range p.Imports {
			if !strings.HasPrefix(imported.PkgPath, module) && l.others[path] == nil && path != "unsafe" {
				l.others[path] = types.Unsafe // until it is known
				paths = append(paths, path)
			}
		}
		return true
	}, nil)
	others, err := packages.Load(&packages.Config{
		Mode: packages.NeedName | packages.NeedTypes | packages.NeedExportFile, Fset: l.clock.fset,
	}, paths...)
	for _, p := range others {
		if len(p.Errors) > 0 {
			return fmt.Errorf("%s: %v", p.ID, p.Errors)
		}
		l.others[p.PkgPath] = p.Types
	}
	return err
}

// check returns the types of a package of this module.
func (l *loader) check(p *packages.Package) (*types.Package, error) {
	if done := l.checked[p.ID]; done != nil {
		return done, nil
	}
	if len(p.Errors) > 0 {
		return nil, fmt.Errorf("%s: %v", p.ID, p.Errors)
	}
	var files []*ast.File
	for _, name := range p.GoFiles {
		var text any
		if over, ok := l.overlay[name]; ok {
			text = over
		}
		file, err := parser.ParseFile(l.clock.fset, name, text, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		files = append(files, file)
	}
	info := &types.Info{
		Types: make(map[ast.Expr]types.TypeAndValue), Defs: make(map[*ast.Ident]types.Object), Uses: make(map[*ast.Ident]types.Object),
		Selections: make(map[*ast.SelectorExpr]*types.Selection),
	}
	config := types.Config{Importer: importer{l, p}, Sizes: types.SizesFor("gc", runtime.GOARCH), FakeImportC: true}
	done, err := config.Check(p.PkgPath, l.clock.fset, files, info)
	if err != nil {
		return nil, err
	}
	l.checked[p.ID] = done
	for _, file := range files {
		if name := l.clock.fset.Position(file.Package).Filename; !l.clock.seen[name] {
			l.clock.seen[name] = true
			l.clock.read(file, info)
		}
	}
	return done, nil
}

// An importer finds what a package imports.
type importer struct {
	loader *loader
	user   *packages.Package
}

func (i importer) Import(path string) (*types.Package, error) {
	if path == "unsafe" {
		return types.Unsafe, nil
	}
	if p := i.user.Imports[path]; p != nil && strings.HasPrefix(p.PkgPath, module) {
		return i.loader.check(p)
	}
	return i.loader.others[path], nil
}
