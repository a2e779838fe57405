package shmkit

import (
	"cmp"
	"fmt"
	"go/ast"
	"go/token"
	"go/types"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// Tests do not measure time, because on a slow and busy machine any step may take any time. So a
// test does not compare times. It gives a context, a timer, a deadline or a limit of this module at
// least a minute, which is long enough to say that something hangs. Where the time-out itself is
// the subject of a test, it must be short, and the test may ask that it is at least so long. A
// comment says so beside the duration, beside the place that uses it, or above the function, where
// gofmt puts a space after the slashes:
//
//	//clock: REASON
//
// A sleep proves nothing either. Each of the few that are left has its reason in a comment on its
// line or above.
const (
	generous   = time.Minute
	clockMark  = "//clock:"
	mostSleeps = 60 // outside of bench
)

func TestTestsDoNotMeasureTime(t *testing.T) {
	for _, f := range loadClock(t).findings() {
		t.Errorf("%s:%d: %s", f.at.Filename, f.at.Line, f.what)
	}
}

func TestFewSleeps(t *testing.T) {
	files := loadClock(t)
	sleeps := 0
	for _, s := range files.sleeps {
		if dir := filepath.ToSlash(filepath.Dir(s.at.Filename)); dir == "bench" || strings.HasPrefix(dir, "bench/") {
			continue
		} else if sleeps++; !s.explained {
			t.Errorf("%s:%d: a sleep without a reason in a comment", s.at.Filename, s.at.Line)
		}
	}
	t.Logf("%d sleeps outside of bench", sleeps)
	if sleeps > mostSleeps {
		t.Errorf("%d sleeps outside of bench, at most %d are allowed", sleeps, mostSleeps)
	}
}

// A finding is a place that measures time.
type finding struct {
	at   token.Position // the file is relative to the module
	what string
}

// A sleep is a use of time.Sleep.
type sleep struct {
	at        token.Position
	explained bool
}

// A clock collects what the files of the module, or of a case, do with time.
type clock struct {
	fset     *token.FileSet
	root     string
	seen     map[string]bool // files
	flow     flow
	uses     []use
	sleeps   []sleep
	comments map[string]map[int]bool // by file, the lines that a comment is on
	marks    map[string]map[int]bool // by file, the lines that a mark goes for
}

// A use is an expression that limits a time, or is compared with a time.
type use struct {
	expr    ast.Expr
	info    *types.Info
	what    string
	compare bool // it is compared, and so must be known to be generous
}

func newClock(fset *token.FileSet, root string) *clock {
	return &clock{
		fset: fset, root: root, seen: make(map[string]bool), flow: newFlow(fset),
		comments: make(map[string]map[int]bool), marks: make(map[string]map[int]bool),
	}
}

// position is that of a node, with the file relative to the module.
func (c *clock) position(pos token.Pos) token.Position {
	at := c.fset.Position(pos)
	if name, err := filepath.Rel(c.root, at.Filename); err == nil {
		at.Filename = filepath.ToSlash(name)
	}
	return at
}

// read collects what a file says of time.
func (c *clock) read(file *ast.File, info *types.Info) {
	at := c.position(file.Package)
	isTest := strings.HasSuffix(at.Filename, "_test.go") || strings.HasPrefix(at.Filename, "internal/proctest/") || strings.HasPrefix(at.Filename, "internal/pooltest/")
	c.readComments(file, at.Filename)
	for n := range ast.Preorder(file) {
		if id, ok := n.(*ast.Ident); ok && isFunc(info.Uses[id], "time", "Sleep") {
			at := c.position(id.Pos())
			lines := c.comments[at.Filename]
			c.sleeps = append(c.sleeps, sleep{at: at, explained: lines[at.Line] || lines[at.Line-1]})
		}
	}
	if isTest {
		c.flow.read(file, info)
		c.readUses(file, info)
	}
}

// readComments notes where comments are, and which lines their marks go for.
func (c *clock) readComments(file *ast.File, name string) {
	comments, marks := make(map[int]bool), make(map[int]bool)
	c.comments[name], c.marks[name] = comments, marks
	for _, group := range file.Comments {
		for line := c.fset.Position(group.Pos()).Line; line <= c.fset.Position(group.End()).Line; line++ {
			comments[line] = true
		}
		for _, comment := range group.List {
			if reason, ok := strings.CutPrefix(strings.Replace(comment.Text, "// ", "//", 1), clockMark); ok && len(strings.TrimSpace(reason)) > 10 {
				marks[c.fset.Position(comment.Pos()).Line] = true
				marks[c.fset.Position(group.End()).Line+1] = true
			}
		}
	}
	for _, declaration := range file.Decls {
		first, last := c.fset.Position(declaration.Pos()).Line, c.fset.Position(declaration.End()).Line
		if f, ok := declaration.(*ast.FuncDecl); !ok || f.Doc == nil || !marks[first] {
			continue
		}
		for line := first; line <= last; line++ {
			marks[line] = true
		}
	}
}

// readUses collects the calls and comparisons that limit time.
func (c *clock) readUses(file *ast.File, info *types.Info) {
	for n := range ast.Preorder(file) {
		switch n := n.(type) {
		case *ast.CallExpr:
			c.readCall(n, info)
		case *ast.KeyValueExpr:
			c.readField(n.Key, n.Value, info)
		case *ast.AssignStmt:
			for i := range min(len(n.Lhs), len(n.Rhs)) {
				c.readField(n.Lhs[i], n.Rhs[i], info)
			}
		case *ast.BinaryExpr:
			switch n.Op {
			case token.LSS, token.LEQ, token.GTR, token.GEQ:
				c.readComparison(n, info)
			}
		}
	}
}

func (c *clock) readCall(call *ast.CallExpr, info *types.Info) {
	callee, _ := calleeOf(call, info)
	if callee == nil || !c.limits(callee) {
		return
	}
	parameters := callee.Origin().Signature().Params()
	for i, argument := range call.Args {
		if isDuration(parameters.At(min(i, parameters.Len()-1)).Type()) {
			c.uses = append(c.uses, use{expr: argument, info: info, what: callee.FullName()})
		}
	}
}

// limits tells whether the durations that a function takes limit something.
func (c *clock) limits(f *types.Func) bool {
	if f.Pkg() == nil || f.Name() == "Sleep" {
		return false
	}
	switch path := f.Pkg().Path(); path {
	case "context":
		return true
	case "time":
		receiver := f.Signature().Recv()
		return receiver == nil || !isDuration(receiver.Type())
	default:
		name := c.position(f.Pos()).Filename
		return strings.HasPrefix(path, module) && !strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, "internal/proctest/")
	}
}

// readField collects the limits in options, of this module and of others.
func (c *clock) readField(key, value ast.Expr, info *types.Info) {
	field, ok := objectOf(key, info).(*types.Var)
	if ok && field.IsField() && isDuration(field.Type()) && !strings.HasSuffix(c.position(field.Pos()).Filename, "_test.go") {
		c.uses = append(c.uses, use{expr: value, info: info, what: field.Name()})
	}
}

func (c *clock) readComparison(n *ast.BinaryExpr, info *types.Info) {
	if !measures(n.X, info) && !measures(n.Y, info) {
		return
	}
	limit := n.Y
	if info.Types[n.X].Value != nil {
		limit = n.X
	}
	if value := info.Types[limit].Value; value != nil && value.String() == "0" {
		return
	}
	c.uses = append(c.uses, use{expr: limit, info: info, what: "a comparison of times", compare: true})
}

// measures tells whether an expression is a duration, or a number made from one or from the time of
// day.
func measures(e ast.Expr, info *types.Info) bool {
	for n := range ast.Preorder(e) {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		part, ok := n.(ast.Expr)
		if ok && info.Types[part].Value == nil && isDuration(info.TypeOf(part)) {
			return true
		}
		if call, ok := n.(*ast.CallExpr); ok {
			if f, _ := calleeOf(call, info); f != nil && f.Pkg() != nil && f.Pkg().Path() == "time" && strings.HasPrefix(f.Name(), "Unix") {
				return true
			}
		}
	}
	return false
}

// findings are the durations that are neither generous nor marked, where they are written, in the
// order of the files.
func (c *clock) findings() []finding {
	var found []finding
	for _, u := range c.uses {
		at := c.position(u.expr.Pos())
		values := c.flow.values(u.expr, u.info)
		if u.compare && len(values) == 0 && !c.marked(at) {
			found = append(found, finding{at, u.what})
		}
		for _, v := range values {
			if from := c.position(v.pos); v.value > 0 && v.value < generous && !c.marked(at) && !c.marked(from) {
				found = append(found, finding{from, fmt.Sprintf("%v is short for %s, in line %d of %s", v.value, u.what, at.Line, at.Filename)})
			}
		}
	}
	slices.SortFunc(found, func(a, b finding) int {
		return cmp.Or(strings.Compare(a.at.Filename, b.at.Filename), cmp.Compare(a.at.Line, b.at.Line))
	})
	return found
}

func (c *clock) marked(at token.Position) bool { return c.marks[at.Filename][at.Line] }

// The cases are one more test file of a package of the module. What shall be found says so.
func TestClockFindsWhatMeasuresTime(t *testing.T) {
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	const dir = "internal/proctest"
	name := filepath.Join(root, dir, "clock_case_test.go")
	c := newClock(token.NewFileSet(), root)
	if err := c.load("", map[string][]byte{name: []byte(clockCases)}, "./"+dir); err != nil {
		t.Fatal(err)
	}
	found := make(map[int]bool)
	for _, f := range c.findings() {
		if f.at.Filename == dir+"/clock_case_test.go" {
			found[f.at.Line] = true
		}
	}
	for i, line := range strings.Split(clockCases, "\n") {
		if want := strings.HasSuffix(line, "// found"); found[i+1] != want {
			t.Errorf("found: %v, want %v: %s", found[i+1], want, line)
		}
	}
	var reasons []bool
	for _, s := range c.sleeps {
		if s.at.Filename == dir+"/clock_case_test.go" {
			reasons = append(reasons, s.explained)
		}
	}
	if !slices.Equal(reasons, []bool{false, true, false}) {
		t.Errorf("the sleeps are explained: %v", reasons)
	}
}

const clockCases = `package proctest

import (
	"context"
	"os/exec"
	"testing"
	"time"
)

const (
	short = 2 * time.Second
	long  = time.Minute
)

var table = []struct {
	name  string
	limit time.Duration
}{
	{"short", time.Second}, // found
	{"long", time.Hour},
}

func limit() time.Duration { return short } // found

func within(t *testing.T, d time.Duration) {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	<-ctx.Done()
}

func patiently(t *testing.T, d time.Duration) { <-time.After(d) }

func TestCases(t *testing.T) {
	within(t, short)                      // found
	patiently(t, long)
	start := time.Now()
	<-time.After(short)                   // found
	<-time.After(long)
	<-time.After(limit())
	<-time.NewTimer(20 * 1000).C          // found
	time.AfterFunc(2*short, func() {})    // found
	_ = time.Now().Add(short)             // found
	_ = time.Now().Add(-short)
	for _, c := range table {
		<-time.After(c.limit)
	}
	d := time.Hour
	d = short / 2                         // found
	<-time.After(d)
	_ = time.Since(start) > short         // found
	_ = time.Since(start) > long
	_ = time.Since(start) > 0
	_ = time.Since(start).Seconds() > 1.5 // found
	_ = int64(time.Since(start)) > 100    // found
	_ = time.Now().UnixNano()-5 > 100     // found
	took := time.Since(start)
	_ = took < time.Since(start)          // found
	Eventually(t, short, func() bool { return true }, "") // found
	cmd := exec.Cmd{WaitDelay: short}     // found
	cmd.WaitDelay = time.Second           // found
	<-time.After(short) //clock: the time-out is the subject
	//clock: the time-out is the subject, and
	// this goes on
	<-time.After(short)
	<-time.After(short) //clock: // found

	time.Sleep(short)

	time.Sleep(short) // with a reason

	later := time.Sleep
	later(long)
	_ = time.Second.Round(time.Millisecond)
}

// The whole function is about a time-out.
//
// clock: the time-out is the subject
func TestTimeOut(t *testing.T) { <-time.After(short) }
`
