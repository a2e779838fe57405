//go:build linux

package shm_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// readingMethods are the methods that work for a process that only reads, by the type of their
// handle. All others are refused. Types without any cannot be opened.
var readingMethods = map[string][]string{
	"Value":    {"Load"},
	"RawValue": {"Load", "Pointer"},
	"Array":    {"All", "At", "Copy", "Len", "Read", "Slice"},
	"RawArray": {"All", "At", "Len", "Slice"},
	"Bool":     {"Load"},
	"Float64":  {"Load"},
	"Int32":    {"Load"},
	"Int64":    {"Load"},
	"Uint32":   {"Load"},
	"Uint64":   {"Load"},
	"Counter":  {"Sum"},
	"Dict":     {"All", "Get", "Keys", "Len", "Stats"},
	"Var":      {"Changes", "Load", "Wait"},
	"List":     {"All", "At", "Chunks", "Len"},
	"Event":    {"IsSet", "Sets", "Wait"}, // a Select of the source is refused
	"Queue":    {"Cap", "Closed", "Gets", "Len", "Puts", "Stats"},
	"SPSC":     {"Cap", "Closed", "Gets", "Len", "Puts", "Stats"},
	"Bytes":    {"Cap", "Closed", "Gets", "Len", "Puts", "Room", "Stats"},
	"Objects":  {"Cap", "Closed", "Gets", "Len", "Puts", "Stats"},

	"Broadcast":        {"AwaitReaders", "Cap", "Closed", "Latest", "Readers", "Stats", "Subscribe"},
	"BroadcastBytes":   {"AwaitReaders", "Cap", "Closed", "Readers", "Stats"},
	"BroadcastObjects": {"AwaitReaders", "Cap", "Closed", "Readers", "Stats"},
	"Reader":           {"All", "Close", "Get", "GetBatch", "Gets", "Len", "TryGet"},

	"Segment": {"Context", "File", "Objects", "Path", "ReadOnly", "Size", "WithContext"},
}

// ofAll are methods that each handle has.
var ofAll = []string{"Alive", "Detach", "MarshalBinary", "Name", "Segment", "String", "UnmarshalBinary"}

// walker: SEGMENT. It opens the segment for reading, calls each method of each handle, and says
// what it did.
var roleWalker = proctest.Register("walker", func(args []string) {
	seg := need(shm.OpenReadOnly(args[0]))
	for _, g := range goldens {
		h, err := g.open(seg)
		switch {
		case errors.Is(err, fs.ErrPermission):
			proctest.Say("%s.: refused %v", typeName(reflect.TypeOf(h)), err)
		case err != nil:
			proctest.Say("%s.: opens with %v", g.name, err)
		default:
			walk(h)
		}
		if b, ok := h.(*queue.Broadcast[int64]); ok {
			walk(need(need(queue.OpenBroadcast[int64](seg, b.Name(), queue.Options{})).Subscribe(queue.FromOldest)))
		}
	}
	walk(seg)
	must(seg.Close())
})

func typeName(t reflect.Type) string {
	name := t.Elem().Name()
	name, _, _ = strings.Cut(name, "[")
	return name
}

// walk calls each exported method of a handle. Those that end its use come last.
func walk(h any) {
	v := reflect.ValueOf(h)
	var last []int
	for i := range v.NumMethod() {
		if name := v.Type().Method(i).Name; name == "Detach" || name == "Close" && typeName(v.Type()) == "Segment" {
			last = append(last, i)
			continue
		}
		walkMethod(v, i)
	}
	for _, i := range last {
		if v.Type().Method(i).Name == "Detach" {
			walkMethod(v, i)
		}
	}
}

func walkMethod(v reflect.Value, i int) {
	name := v.Type().Method(i).Name
	if name == "UnmarshalBinary" {
		again := reflect.New(v.Type().Elem())
		bytes := need(v.Interface().(interface{ MarshalBinary() ([]byte, error) }).MarshalBinary())
		err, _ := again.MethodByName(name).Call([]reflect.Value{reflect.ValueOf(bytes)})[0].Interface().(error)
		proctest.Say("%s.%s: reads, %v", typeName(v.Type()), name, err)
		return
	}
	proctest.Say("%s.%s: %s", typeName(v.Type()), name, outcome(v.Method(i)))
}

// outcome calls a function with arguments that mean little, and says what came of it.
func outcome(f reflect.Value) (said string) {
	defer func() {
		if r := recover(); r != nil {
			said = "panics: " + fmt.Sprint(r)
			if err, ok := r.(error); ok && errors.Is(err, fs.ErrPermission) {
				said = "refused " + err.Error()
			}
		}
	}()
	var results []error
	for _, r := range f.Call(arguments(f.Type())) {
		err, _ := r.Interface().(error)
		results = append(results, err)
		if r.Kind() == reflect.Func && !r.IsNil() { // an iterator
			r.Call([]reflect.Value{reflect.MakeFunc(r.Type().In(0), func(args []reflect.Value) []reflect.Value {
				for _, a := range args {
					if err, ok := a.Interface().(error); ok {
						results = append(results, err)
					}
				}
				return []reflect.Value{reflect.ValueOf(true)}
			})})
		}
	}
	for _, err := range results {
		switch {
		case errors.Is(err, fs.ErrPermission):
			return "refused " + err.Error()
		case err != nil && !errors.Is(err, errWalk) && !errors.Is(err, queue.ErrEmpty):
			return "fails: " + err.Error()
		}
	}
	return "reads"
}

var errWalk = errors.New("the walk goes on")

func arguments(t reflect.Type) (args []reflect.Value) {
	over, cancel := context.WithCancelCause(context.Background())
	cancel(errWalk)
	for i := range t.NumIn() {
		in := t.In(i)
		if t.IsVariadic() && i == t.NumIn()-1 {
			in = in.Elem()
		}
		arg := reflect.New(in).Elem()
		switch {
		case in == reflect.TypeFor[context.Context]():
			arg.Set(reflect.ValueOf(over))
		case in.Kind() == reflect.Func:
			arg.Set(reflect.MakeFunc(in, func([]reflect.Value) (zeros []reflect.Value) {
				for i := range in.NumOut() {
					zeros = append(zeros, reflect.Zero(in.Out(i)))
				}
				return zeros
			}))
		case in.Kind() == reflect.Slice:
			arg.Set(reflect.MakeSlice(in, 1, 1))
		case in.Kind() == reflect.String:
			arg.SetString(walkKey)
		}
		args = append(args, arg)
	}
	return args
}

// walkKey is the key of all Dicts with string keys, and a name.
const walkKey = "key"

// A process that only reads calls every exported method of every handle, as a user who may only
// read where this is root: each one reads, or is refused. It ends in order, so that none of them
// was a fault, and not a byte of the file has changed, and no block was added to it.
func TestReadOnlyWalk(t *testing.T) {
	path := newPath(t)
	wantOK(t, os.WriteFile(path, writeGolden(t), 0o600))
	wantOK(t, os.Chmod(path, 0o444))
	before, blocks := stateOf(t, path)
	c := proctest.Command(t, roleWalker, path)
	if os.Getuid() == 0 {
		wantOK(t, os.Chmod(filepath.Dir(path), 0o755))
		c.Cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	}
	c.Start()
	walked := map[string]bool{}
	for line := range strings.Lines(c.Output()) {
		name, said, _ := strings.Cut(strings.TrimSpace(line), ": ")
		typ, method, _ := strings.Cut(name, ".")
		walked[typ] = true
		reads := method != "" && (slices.Contains(readingMethods[typ], method) || slices.Contains(ofAll, method) && said != "")
		refused := strings.HasPrefix(said, "refused ")
		invalid := strings.HasPrefix(said, "fails: ") && strings.HasSuffix(said, "invalid argument") || strings.Contains(said, "DropOldest")
		switch {
		case invalid: // whatever the process may do
		case reads && !strings.HasPrefix(said, "reads"), reads && strings.Contains(said, "reads, ") && said != "reads, <nil>":
			t.Errorf("%s should read: %s", name, said)
		case !reads && !refused:
			t.Errorf("%s should be refused: %s", name, said)
		case refused && (!strings.Contains(said, "for reading only") || !strings.Contains(said, path)):
			t.Errorf("%s does not say why: %s", name, said)
		}
	}
	if after, more := stateOf(t, path); after != before || more != blocks {
		t.Errorf("the bytes are the same: %v; %d blocks have become %d", after == before, blocks, more)
	}
	for _, typ := range handleTypes(t) {
		if !walked[typ] {
			t.Errorf("no %s was opened", typ)
		}
	}
}

// stateOf is the content of a file, and how many blocks it has.
func stateOf(t *testing.T, path string) (sum [32]byte, blocks int64) {
	t.Helper()
	var st syscall.Stat_t
	wantOK(t, syscall.Stat(path, &st))
	return sha256.Sum256(need(os.ReadFile(path))), st.Blocks
}

// handleTypes are the types of handles, which have UnmarshalBinary, by the records of what the
// packages export.
func handleTypes(t *testing.T) (types []string) {
	t.Helper()
	is := regexp.MustCompile(`(?m)^method \(\*(\w+)(?:\[.*?\])?\) UnmarshalBinary\(`)
	for _, file := range []string{"shm", "sync", "queue", "queue-pipe"} {
		for _, m := range is.FindAllSubmatch(need(os.ReadFile("../api/"+file+".txt")), -1) {
			types = append(types, string(m[1]))
		}
	}
	if len(types) < 20 {
		t.Fatalf("the records have only %d types of handles", len(types))
	}
	return types
}

// On a segment without objects each NewX says that there is none, and that this process may not
// make it.
func TestReadOnlyMakesNothing(t *testing.T) {
	path := newPath(t)
	wantOK(t, need(shm.Create(path, small)).Close())
	before := need(os.ReadFile(path))
	seg := need(shm.OpenReadOnly(path))
	for _, g := range goldens {
		if err := g.write(seg); !errors.Is(err, fs.ErrPermission) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("make %s: %v", g.name, err)
		}
	}
	if _, err := shm.NewInt64(seg, "", 1); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("make one without a name: %v", err)
	}
	for what, err := range map[string]error{"Check": seg.Check(), "Remove": seg.Remove(), "RemoveObject": seg.RemoveObject("x")} {
		if wantErr(t, err, fs.ErrPermission, path); t.Failed() {
			t.Log(what)
		}
	}
	wantOK(t, seg.Close())
	if !bytes.Equal(before, need(os.ReadFile(path))) {
		t.Error("the file has changed")
	}
}
