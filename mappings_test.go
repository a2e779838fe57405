package shmkit

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// makesMapping are the names of what maps memory past the library that does so for this module.
var makesMapping = map[string]bool{
	"Mmap": true, "MmapPtr": true, "SYS_MMAP": true, "SYS_MMAP2": true, "SYS_REMAP_FILE_PAGES": true, "SYS_SHMAT": true, "SysvShmAttach": true,
}

// Every new mapping is made by mmap-go, as the documentation of internal/mapping says. What moves, shrinks or ends one may be ours.
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
