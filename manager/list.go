package manager

import (
	"context"
	"fmt"
	"io/fs"
	"slices"
	"sync"
)

// A ListType is a type of lists on the heap of a manager, with elements of any type that travels.
// It is made by [ListOf]. For elements of fixed size shm.List is hundreds of times as fast.
type ListType[T any] struct {
	t      *Type[*list[T], []T]
	get    *Call[*list[T], int, T]
	set    *Call[*list[T], place[T], struct{}]
	append *Call[*list[T], []T, int]
	delete *Call[*list[T], int, T]
	len    *Call[*list[T], struct{}, int]
	copy   *Call[*list[T], struct{}, []T]
	revert *Call[*list[T], struct{}, struct{}]
}

type place[T any] struct {
	At    int
	Value T
}

type list[T any] struct {
	mu sync.RWMutex
	s  []T
}

// ListOf makes the type of lists of T that managers keep. It panics when the name is taken, or when
// T cannot travel.
func ListOf[T any](name string) *ListType[T] {
	t := Define(name, func(_ context.Context, first []T) (*list[T], error) { return &list[T]{s: first}, nil })
	return &ListType[T]{
		t: t, get: Method(t, "get", (*list[T]).get), set: Method(t, "set", (*list[T]).set),
		append: Method(t, "append", (*list[T]).append), delete: Method(t, "delete", (*list[T]).delete),
		len: Method(t, "len", (*list[T]).length), copy: Method(t, "copy", (*list[T]).copied),
		revert: Method(t, "reverse", (*list[T]).reverse),
	}
}

// check refuses an index that is none. The caller holds mu.
func (l *list[T]) check(i int) error {
	if i < 0 || i >= len(l.s) {
		return fmt.Errorf("index %d of a list of %d: %w", i, len(l.s), fs.ErrInvalid)
	}
	return nil
}

func (l *list[T]) get(_ context.Context, i int) (v T, err error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if err = l.check(i); err == nil {
		v = l.s[i]
	}
	return v, err
}

func (l *list[T]) set(_ context.Context, p place[T]) (struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	err := l.check(p.At)
	if err == nil {
		l.s[p.At] = p.Value
	}
	return struct{}{}, err
}

func (l *list[T]) append(_ context.Context, vs []T) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.s = append(l.s, vs...)
	return len(l.s), nil
}

func (l *list[T]) delete(_ context.Context, i int) (v T, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err = l.check(i); err == nil {
		v = l.s[i]
		l.s = slices.Delete(l.s, i, i+1)
	}
	return v, err
}

func (l *list[T]) length(context.Context, struct{}) (int, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.s), nil
}

func (l *list[T]) copied(context.Context, struct{}) ([]T, error) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Clone(l.s), nil
}

func (l *list[T]) reverse(context.Context, struct{}) (struct{}, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	slices.Reverse(l.s)
	return struct{}{}, nil
}

// A List is a list in a manager, see [ListOf]. All clients with a reference share it. Its methods
// have the errors of [Call.Call]; an index that is none is an [io/fs.ErrInvalid].
type List[T any] struct {
	// Ref is the reference, which travels in messages: the receiver makes a List of it by
	// [ListType.Of].
	Ref *Ref[*list[T]]
	t   *ListType[T]
}

// Of makes a List of a reference that has come.
func (t *ListType[T]) Of(ref *Ref[*list[T]]) *List[T] { return &List[T]{ref, t} }

// New makes a list of those elements.
func (t *ListType[T]) New(ctx context.Context, m *Manager, first []T) (*List[T], error) {
	ref, err := t.t.New(ctx, m, first)
	return t.Of(ref), err
}

// Named is [Type.Named]: the list of that name.
func (t *ListType[T]) Named(ctx context.Context, m *Manager, name string, first []T) (*List[T], error) {
	ref, err := t.t.Named(ctx, m, name, first)
	return t.Of(ref), err
}

// Get returns the element at an index.
func (l *List[T]) Get(ctx context.Context, i int) (T, error) { return l.t.get.Call(ctx, l.Ref, i) }

// Set sets the element at an index.
func (l *List[T]) Set(ctx context.Context, i int, v T) error {
	_, err := l.t.set.Call(ctx, l.Ref, place[T]{i, v})
	return err
}

// Append adds elements at the end, all at once, and returns how many there are then.
func (l *List[T]) Append(ctx context.Context, vs ...T) (int, error) {
	return l.t.append.Call(ctx, l.Ref, vs)
}

// Delete removes the element at an index, and returns it.
func (l *List[T]) Delete(ctx context.Context, i int) (T, error) {
	return l.t.delete.Call(ctx, l.Ref, i)
}

// Len is the number of elements.
func (l *List[T]) Len(ctx context.Context) (int, error) {
	return l.t.len.Call(ctx, l.Ref, struct{}{})
}

// Copy returns all elements.
func (l *List[T]) Copy(ctx context.Context) ([]T, error) {
	return l.t.copy.Call(ctx, l.Ref, struct{}{})
}

// Reverse turns the order around.
func (l *List[T]) Reverse(ctx context.Context) error {
	_, err := l.t.revert.Call(ctx, l.Ref, struct{}{})
	return err
}

// Close gives the reference back.
func (l *List[T]) Close() error { return l.Ref.Close() }
