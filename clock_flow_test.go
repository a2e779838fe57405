package shmkit

import (
	"go/ast"
	"go/constant"
	"go/token"
	"go/types"
	"strings"
	"time"
)

// A flow knows which expressions a variable, a field, a parameter or a result of the tests gets its
// values from.
type flow struct {
	fset *token.FileSet
	// By the place of an object's declaration, which is the same in every variant of its package.
	sources map[token.Position][]origin
}

// origin is an expression that something gets its value from.
type origin struct {
	expr ast.Expr // or the value is an element of it
	info *types.Info
}

// A duration is a constant and where it is written.
type duration struct {
	value time.Duration
	pos   token.Pos
}

func newFlow(fset *token.FileSet) flow {
	return flow{fset: fset, sources: make(map[token.Position][]origin)}
}

// add notes that object may be what e says.
func (f flow) add(object types.Object, e ast.Expr, info *types.Info) {
	if e != nil && isOurs(object) {
		at := f.fset.Position(object.Pos())
		f.sources[at] = append(f.sources[at], origin{e, info})
	}
}

// read notes what the variables, fields, parameters and results of a file get.
func (f flow) read(file *ast.File, info *types.Info) {
	for n := range ast.Preorder(file) {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if len(n.Lhs) == len(n.Rhs) {
				for i, left := range n.Lhs {
					f.add(objectOf(left, info), n.Rhs[i], info)
				}
			}
		case *ast.ValueSpec:
			for i, name := range n.Names {
				if i < len(n.Values) {
					f.add(info.Defs[name], n.Values[i], info)
				}
			}
		case *ast.RangeStmt:
			if n.Value != nil {
				f.add(objectOf(n.Value, info), n.X, info)
			}
			if n.Key != nil {
				f.add(objectOf(n.Key, info), n.X, info) // an iterator of one value
			}
		case *ast.CompositeLit:
			f.readLiteral(n, info)
		case *ast.CallExpr:
			f.readCall(n, info)
		case *ast.FuncDecl:
			f.readReturns(info.Defs[n.Name], n.Body, info)
		}
	}
}

// readLiteral notes what the fields of a struct get.
func (f flow) readLiteral(literal *ast.CompositeLit, info *types.Info) {
	t := types.Unalias(info.TypeOf(literal))
	if p, ok := t.Underlying().(*types.Pointer); ok {
		t = p.Elem()
	}
	s, ok := t.Underlying().(*types.Struct)
	if !ok {
		return
	}
	for i, element := range literal.Elts {
		if pair, ok := element.(*ast.KeyValueExpr); ok {
			if key, ok := pair.Key.(*ast.Ident); ok {
				f.add(info.Uses[key], pair.Value, info)
			}
		} else if i < s.NumFields() {
			f.add(s.Field(i), element, info)
		}
	}
}

// readCall notes what the parameters of a function get.
func (f flow) readCall(call *ast.CallExpr, info *types.Info) {
	_, signature := calleeOf(call, info)
	if signature == nil {
		return
	}
	parameters := signature.Params()
	for i, argument := range call.Args {
		if i < parameters.Len() {
			f.add(parameters.At(i), argument, info)
		} else if signature.Variadic() {
			f.add(parameters.At(parameters.Len()-1), argument, info)
		}
	}
}

// readReturns notes what a function returns.
func (f flow) readReturns(function types.Object, body *ast.BlockStmt, info *types.Info) {
	if body == nil {
		return
	}
	ast.Inspect(body, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		if r, ok := n.(*ast.ReturnStmt); ok {
			for _, result := range r.Results {
				f.add(function, result, info)
			}
		}
		return true
	})
}

// values are the constants that e, a duration or a number made from one, may come from, as far as
// the tests say.
func (f flow) values(e ast.Expr, info *types.Info) (found []duration) {
	seen := make(map[ast.Expr]bool)
	var follow func(e ast.Expr, info *types.Info)
	from := func(object types.Object) {
		if isOurs(object) {
			for _, s := range f.sources[f.fset.Position(object.Pos())] {
				follow(s.expr, s.info)
			}
		}
	}
	follow = func(e ast.Expr, info *types.Info) {
		if seen[e] {
			return
		}
		seen[e] = true
		if value := info.Types[e].Value; value != nil {
			if n, ok := constant.Int64Val(constant.ToInt(value)); ok && isDuration(info.TypeOf(e)) {
				found = append(found, duration{time.Duration(n), e.Pos()})
			}
			return
		}
		switch e := e.(type) {
		case *ast.ParenExpr:
			follow(e.X, info)
		case *ast.UnaryExpr:
			follow(e.X, info)
		case *ast.BinaryExpr:
			for _, operand := range []ast.Expr{e.X, e.Y} {
				if _, literal := operand.(*ast.BasicLit); !literal { // 2 * d
					follow(operand, info)
				}
			}
		case *ast.Ident:
			from(objectOf(e, info))
		case *ast.SelectorExpr:
			from(objectOf(e, info))
		case *ast.IndexExpr:
			follow(e.X, info)
		case *ast.SliceExpr:
			follow(e.X, info)
		case *ast.CompositeLit:
			for _, element := range e.Elts {
				if pair, ok := element.(*ast.KeyValueExpr); ok {
					follow(pair.Key, info)
					element = pair.Value
				}
				follow(element, info)
			}
		case *ast.CallExpr:
			callee, _ := calleeOf(e, info)
			if callee != nil {
				from(callee)
				return
			}
			for _, argument := range e.Args { // of a conversion, min or max
				follow(argument, info)
			}
		}
	}
	follow(e, info)
	return found
}

// isOurs tells whether object is declared in this module. Of others only the line is known, which
// many objects share.
func isOurs(object types.Object) bool {
	return object != nil && object.Pkg() != nil && strings.HasPrefix(object.Pkg().Path(), module) && object.Pos().IsValid()
}

// calleeOf returns the function that a call names, if it names one, and the signature of the
// function or the value that it calls; neither for a conversion or a builtin.
func calleeOf(call *ast.CallExpr, info *types.Info) (*types.Func, *types.Signature) {
	fun := ast.Unparen(call.Fun)
	switch generic := fun.(type) {
	case *ast.IndexExpr:
		fun = generic.X
	case *ast.IndexListExpr:
		fun = generic.X
	}
	if f, ok := objectOf(fun, info).(*types.Func); ok {
		return f.Origin(), f.Origin().Signature()
	}
	if info.Types[call.Fun].IsType() {
		return nil, nil
	}
	signature, _ := info.TypeOf(call.Fun).Underlying().(*types.Signature)
	return nil, signature
}

// objectOf is what an identifier or a selector stands for.
func objectOf(e ast.Expr, info *types.Info) types.Object {
	switch e := ast.Unparen(e).(type) {
	case *ast.Ident:
		return info.ObjectOf(e)
	case *ast.SelectorExpr:
		object := info.ObjectOf(e.Sel)
		if v, ok := object.(*types.Var); ok {
			return v.Origin()
		}
		return object
	}
	return nil
}

func isDuration(t types.Type) bool {
	if t == nil {
		return false
	}
	named, ok := types.Unalias(t).(*types.Named)
	return ok && named.Obj().Pkg() != nil && named.Obj().Pkg().Path() == "time" && named.Obj().Name() == "Duration"
}

func isFunc(object types.Object, path, name string) bool {
	f, ok := object.(*types.Func)
	return ok && f.Pkg() != nil && f.Pkg().Path() == path && f.Name() == name && f.Signature().Recv() == nil
}
