package manager

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/event"
	"github.com/shmkit/shmkit/internal/guard"
)

// An object is one that the server keeps.
//
// It is counted by the references of connections, by its name, by pins and by the calls that run on
// it. When the count is 0 the object is closed, and its number is never used again.
type object struct {
	serial uint64
	t      *typeInfo
	value  any
	refs   atomic.Int64
	turn   chan struct{} // of an exclusive one: has a value while no call runs
	name   string        // empty: it has none; guarded by Server.mu
}

// add makes an object of a value, with one reference, which is the caller's.
func (s *Server) add(t *typeInfo, value any) *object {
	o := &object{serial: s.serial.Add(1), t: t, value: value}
	o.refs.Store(1)
	if t.exclusive {
		o.turn = make(chan struct{}, 1)
		o.turn <- struct{}{}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[o.serial] = o
	return o
}

// drop gives n references of an object back. Closing it, if they were the last ones, is left to
// another goroutine.
func (s *Server) drop(o *object, n int64) {
	if o.refs.Add(-n) > 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ending {
		return // it is closed in its turn
	}
	delete(s.objects, o.serial)
	if _, ok := o.value.(io.Closer); ok {
		s.closing.Go(func() { s.closeObject(o) })
	}
}

// closeObject calls the object's Close.
func (s *Server) closeObject(o *object) {
	closer, ok := o.value.(io.Closer)
	if !ok {
		return
	}
	if err := guard.Call(closer.Close); err != nil {
		event.Show(slog.LevelError, "manager: an object was not closed", slog.String("type", o.t.name),
			slog.Uint64("serial", o.serial), slog.String("error", err.Error()))
	}
}

// open calls the function that opens an object.
func (t *typeInfo) openObject(ctx context.Context, arg []byte) (value any, err error) {
	err = guard.Call(func() (err error) {
		value, err = t.open(ctx, arg)
		return err
	})
	return value, err
}

// A name is the object of a name, or the call that opens it.
type name struct {
	o      *object       // nil while it is being opened
	opened chan struct{} // closed when that has ended, well or not
}

// named returns the object of a name with one more reference, and opens it if there is none.
func (s *Server) named(ctx context.Context, t *typeInfo, called string, arg []byte) (*object, error) {
	for {
		s.mu.Lock()
		n := s.names[called]
		if n == nil {
			n = &name{opened: make(chan struct{})}
			s.names[called] = n
			s.mu.Unlock()
			return s.openNamed(ctx, n, t, called, arg)
		}
		if o := n.o; o != nil {
			o.refs.Add(1) // the name holds one
			s.mu.Unlock()
			if o.t != t {
				s.drop(o, 1)
				return nil, fmt.Errorf("%w: %q is of type %q", errOtherType, called, o.t.name)
			}
			return o, nil
		}
		s.mu.Unlock()
		select {
		case <-n.opened:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}

// openNamed opens the object of a name. When it fails, the next call tries again.
func (s *Server) openNamed(ctx context.Context, n *name, t *typeInfo, called string, arg []byte) (*object, error) {
	defer close(n.opened)
	value, err := t.openObject(ctx, arg)
	if err != nil {
		s.mu.Lock()
		delete(s.names, called)
		s.mu.Unlock()
		return nil, err
	}
	o := s.add(t, value)
	o.refs.Add(1) // of the name
	s.mu.Lock()
	n.o, o.name = o, called
	s.mu.Unlock()
	return o, nil
}

// remove ends a name.
func (s *Server) remove(called string) bool {
	s.mu.Lock()
	n := s.names[called]
	if n == nil || n.o == nil {
		s.mu.Unlock()
		return false
	}
	delete(s.names, called)
	n.o.name = ""
	s.mu.Unlock()
	s.drop(n.o, 1)
	return true
}

// An ObjectInfo describes an object of a manager.
type ObjectInfo struct {
	Serial     uint64 // never used for another object
	Type       string
	Name       string // empty: it has none
	References int    // of clients, of its name, of calls that run and of references on their way
	Value      string // the beginning of what fmt makes of its String or of its Go type
}

// list describes all objects, the oldest first.
func (s *Server) list() []ObjectInfo {
	s.mu.Lock()
	objects := make([]*object, 0, len(s.objects))
	all := make([]ObjectInfo, 0, len(s.objects))
	for _, o := range s.objects {
		objects = append(objects, o)
		all = append(all, ObjectInfo{Serial: o.serial, Type: o.t.name, Name: o.name, References: int(o.refs.Load())})
	}
	s.mu.Unlock()
	for i, o := range objects { // a String is the program's own
		all[i].Value = valueText(o.value)
	}
	slices.SortFunc(all, func(a, b ObjectInfo) int { return cmp.Compare(a.Serial, b.Serial) })
	return all
}

// maxValueText bounds the description of a value in bytes.
const maxValueText = 200

func valueText(v any) string {
	text := fmt.Sprintf("%T", v)
	if s, ok := v.(fmt.Stringer); ok {
		text = guard.Text(s.String)
	}
	return text[:min(len(text), maxValueText)]
}
