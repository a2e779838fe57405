package shmkit

import (
	"fmt"
	"go/types"
	"strings"
	"testing"

	"golang.org/x/tools/go/packages"
)

// TestNoInternalTypesInPublic finds exported names of a type that a user cannot name or look up.
func TestNoInternalTypesInPublic(t *testing.T) {
	config := &packages.Config{Mode: packages.NeedName | packages.NeedTypes | packages.NeedImports}
	loaded, err := packages.Load(config, "./...")
	if err != nil {
		t.Fatal(err)
	}
	public := 0
	for _, p := range loaded {
		dir := strings.TrimPrefix(strings.TrimPrefix(p.PkgPath, module), "/")
		if dir == "" || p.Name == "main" || treeOf(dir) != "" || strings.Contains(p.PkgPath, "/internal/") {
			continue
		}
		public++
		for _, wrong := range internalIn(p.Types) {
			t.Errorf("%s: %s: declare the type here, so that go doc shows it", dir, wrong)
		}
	}
	if public < 4 {
		t.Errorf("looked at %d packages: too few", public)
	}
}

func TestFaceFindsInternalTypes(t *testing.T) {
	inner := types.NewPackage(module+"/internal/inner", "inner")
	hidden := types.NewNamed(types.NewTypeName(0, inner, "Hidden", nil), types.NewStruct(nil, nil), nil)
	outer := types.NewPackage(module+"/outer", "outer")
	declare := func(name string, underlying types.Type) *types.Named {
		named := types.NewNamed(types.NewTypeName(0, outer, name, nil), underlying, nil)
		outer.Scope().Insert(named.Obj())
		return named
	}
	pointer := types.NewPointer(hidden)
	declare("Fields", types.NewStruct([]*types.Var{
		types.NewField(0, outer, "Open", pointer, false), types.NewField(0, outer, "private", pointer, false),
	}, nil))
	declare("unexported", types.NewStruct([]*types.Var{types.NewField(0, outer, "Open", pointer, false)}, nil))
	outer.Scope().Insert(types.NewTypeName(0, outer, "Alias", types.NewAlias(types.NewTypeName(0, outer, "", nil), hidden)))
	result := types.NewTuple(types.NewVar(0, outer, "", types.NewSlice(hidden)))
	outer.Scope().Insert(types.NewFunc(0, outer, "Function", types.NewSignatureType(nil, nil, nil, nil, result, false)))
	methods := declare("Methods", types.NewStruct(nil, nil))
	receiver := types.NewVar(0, outer, "m", types.NewPointer(methods))
	methods.AddMethod(types.NewFunc(0, outer, "Method", types.NewSignatureType(receiver, nil, nil, nil, result, false)))
	found := strings.Join(internalIn(outer), "\n")
	for _, want := range []string{"Fields.Open", "Alias", "Function", "Methods.Method"} {
		if !strings.Contains(found, want+" ") {
			t.Errorf("%s was not found in:\n%s", want, found)
		}
	}
	if n := strings.Count(found, "\n") + 1; n != 4 {
		t.Errorf("found %d:\n%s", n, found)
	}
}

// internalIn returns the exported names of a package that have an internal type, one line each.
func internalIn(p *types.Package) (wrong []string) {
	f := face{seen: map[types.Type]bool{}}
	look := func(name string, t types.Type) {
		clear(f.seen)
		if hidden := f.internal(t); hidden != "" {
			wrong = append(wrong, fmt.Sprintf("%s has the type %s", name, hidden))
		}
	}
	for _, name := range p.Scope().Names() {
		o := p.Scope().Lookup(name)
		if !o.Exported() {
			continue
		}
		named, isType := types.Unalias(o.Type()).(*types.Named)
		if _, declares := o.(*types.TypeName); !declares || !isType || named.Obj().Pkg() != p {
			look(name, o.Type())
			continue
		}
		if s, ok := named.Underlying().(*types.Struct); ok {
			for field := range s.Fields() {
				if field.Exported() {
					look(name+"."+field.Name(), field.Type())
				}
			}
		} else {
			look(name, named.Underlying())
		}
		// with those of embedded types
		for selection := range types.NewMethodSet(types.NewPointer(named)).Methods() {
			if m := selection.Obj(); m.Exported() {
				look(name+"."+m.Name(), m.Type())
			}
		}
	}
	return wrong
}

// A face looks for internal types in what users see of a type.
type face struct{ seen map[types.Type]bool }

// internal returns the first internal type that t is made of, or "".
func (f *face) internal(t types.Type) string {
	if t == nil || f.seen[t] {
		return ""
	}
	f.seen[t] = true
	t = types.Unalias(t)
	switch t := t.(type) {
	case *types.Named:
		if pkg := t.Obj().Pkg(); pkg != nil && strings.HasPrefix(pkg.Path(), module) && strings.Contains(pkg.Path(), "/internal/") {
			return t.String()
		}
		for arg := range t.TypeArgs().Types() {
			if hidden := f.internal(arg); hidden != "" {
				return hidden
			}
		}
	case *types.Signature:
		return f.first(f.internal(t.Params()), f.internal(t.Results()))
	case *types.Tuple:
		for v := range t.Variables() {
			if hidden := f.internal(v.Type()); hidden != "" {
				return hidden
			}
		}
	case *types.Map:
		return f.first(f.internal(t.Key()), f.internal(t.Elem()))
	case *types.Struct:
		for field := range t.Fields() {
			if hidden := f.internal(field.Type()); field.Exported() && hidden != "" {
				return hidden
			}
		}
	case *types.Interface:
		for m := range t.Methods() {
			if hidden := f.internal(m.Type()); m.Exported() && hidden != "" {
				return hidden
			}
		}
	case interface{ Elem() types.Type }: // pointers, slices, arrays, channels
		return f.internal(t.Elem())
	}
	return ""
}

func (f *face) first(found ...string) string {
	for _, hidden := range found {
		if hidden != "" {
			return hidden
		}
	}
	return ""
}
