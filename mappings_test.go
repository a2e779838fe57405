package shmkit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// makesMapping are the names of functions and constants that map memory without the library that
// this module maps memory with.
var makesMapping = map[string]bool{
	"Mmap": true, "MmapPtr": true, "SYS_MMAP": true, "SYS_MMAP2": true, "SYS_REMAP_FILE_PAGES": true,
	"SYS_SHMAT": true, "SysvShmAttach": true,
}

// TestMappingsAreMadeByOneLibrary shows that mmap-go makes every new mapping. System calls that
// move, shrink or end a mapping are allowed.
func TestMappingsAreMadeByOneLibrary(t *testing.T) {
	for _, s := range sources(t) {
		if treeOf(s.dir()) != "" { // peers that the benchmarks compare with, and the like
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), s.path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.SelectorExpr); ok && makesMapping[call.Sel.Name] {
				if x, ok := call.X.(*ast.Ident); ok && (x.Name == "unix" || x.Name == "syscall") {
					t.Errorf("%s: uses %s.%s, and not mmap-go", s.path, x.Name, call.Sel.Name)
				}
			}
			return true
		})
	}
}
