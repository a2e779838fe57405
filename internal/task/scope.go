package task

import (
	"context"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"

	"github.com/shmkit/shmkit/shm"
)

// A handle stands for a shared object: it is one of packages shm, sync or queue.
type handle interface {
	Name() string
	Detach() error
}

// Keep has the handle h, which came with the argument of the task of ctx, outlive the task.
//
// Errors: [shm.ErrClosed] when the task has returned.
func Keep(ctx context.Context, h handle) error {
	s, _ := ctx.Value(scopeKey{}).(*scope)
	if s == nil {
		return nil
	}
	return s.keep(h)
}

// scopeKey leads from the context of a task to its scope.
type scopeKey struct{}

// A scope is what a task has only for its run: the handles in its argument.
type scope struct {
	mu      sync.Mutex
	handles map[handle]bool // that are not kept
	over    bool
}

// newScope finds the handles in what arg points to.
func newScope(arg reflect.Value) *scope {
	s := &scope{handles: map[handle]bool{}}
	w := handleWalk{found: s.handles, seen: map[visited]bool{}}
	w.visit(arg)
	return s
}

func (s *scope) keep(h handle) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over {
		return fmt.Errorf("pool: keep a handle of a task that has returned: %w", shm.ErrClosed)
	}
	delete(s.handles, h)
	return nil
}

// end detaches what was not kept. An object in which a goroutine of the task is still at work stays
// attached until that is done.
func (s *scope) end() {
	s.mu.Lock()
	s.over = true
	s.mu.Unlock()
	for h := range s.handles {
		_ = h.Detach()
	}
}

// A handleWalk looks for handles in a value.
type handleWalk struct {
	found map[handle]bool
	seen  map[visited]bool // lest it goes in circles
}

// visited is a pointer, a map or a slice that the walk has come to.
type visited struct {
	t   reflect.Type
	to  uintptr
	len int
}

// again reports whether v, which leads to other values, has been visited, and notes that.
func (w handleWalk) again(v reflect.Value) bool {
	at := visited{t: v.Type(), to: v.Pointer()}
	if v.Kind() == reflect.Slice {
		at.len = v.Len()
	}
	seen := w.seen[at]
	w.seen[at] = true
	return seen
}

func (w handleWalk) visit(v reflect.Value) {
	if !v.IsValid() || !mayHoldHandles(v.Type()) {
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() && !w.again(v) {
			w.visit(v.Elem())
		}
	case reflect.Interface:
		w.visit(v.Elem())
	case reflect.Struct:
		if isHandle(v.Type()) {
			w.note(v)
			return
		}
		for i := range v.NumField() {
			w.visit(v.Field(i))
		}
	case reflect.Array:
		w.visitAll(v)
	case reflect.Slice:
		if !w.again(v) {
			w.visitAll(v)
		}
	case reflect.Map:
		if w.again(v) {
			return
		}
		for i := v.MapRange(); i.Next(); {
			w.visit(i.Key())
			w.visit(i.Value())
		}
	}
}

func (w handleWalk) visitAll(v reflect.Value) {
	for i := range v.Len() {
		w.visit(v.Index(i))
	}
}

// note adds the handle v. It may lie in a field that is not exported.
func (w handleWalk) note(v reflect.Value) {
	if v.CanAddr() {
		w.found[reflect.NewAt(v.Type(), v.Addr().UnsafePointer()).Interface().(handle)] = true
	}
}

var (
	handleType = reflect.TypeFor[handle]()
	module     = strings.TrimSuffix(reflect.TypeFor[shm.Segment]().PkgPath(), "shm")
)

// packages are the packages of this module that values of users come from.
var packages = []string{"shm", "sync", "queue", "queue/pipe", "pool", "process", "shmlog", "manager"}

// isOurs reports whether a type is of a package of this module that values come from: only its
// handles count, and nothing within it is looked at.
func isOurs(t reflect.Type) bool {
	at, ok := strings.CutPrefix(t.PkgPath(), module)
	return ok && (slices.Contains(packages, at) || strings.HasPrefix(at, "internal/"))
}

// isHandle reports whether a struct is a handle.
func isHandle(t reflect.Type) bool { return isOurs(t) && reflect.PointerTo(t).Implements(handleType) }

var holders sync.Map // reflect.Type: whether its values may hold handles

// mayHoldHandles reports whether a value of t may have handles in it, as far as its type tells.
func mayHoldHandles(t reflect.Type) bool {
	if known, ok := holders.Load(t); ok {
		return known.(bool)
	}
	may := holdsHandles(t, map[reflect.Type]bool{})
	holders.Store(t, may)
	return may
}

// holdsHandles is mayHoldHandles without what is within the types above.
func holdsHandles(t reflect.Type, above map[reflect.Type]bool) bool {
	if above[t] {
		return false
	}
	above[t] = true
	switch t.Kind() {
	case reflect.Interface:
		return true
	case reflect.Pointer, reflect.Slice, reflect.Array:
		return holdsHandles(t.Elem(), above)
	case reflect.Map:
		return holdsHandles(t.Key(), above) || holdsHandles(t.Elem(), above)
	case reflect.Struct:
		if isOurs(t) {
			return isHandle(t)
		}
		for i := range t.NumField() {
			if holdsHandles(t.Field(i).Type, above) {
				return true
			}
		}
	}
	return false
}
