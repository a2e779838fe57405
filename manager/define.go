package manager

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/message"
)

// A Type is a type of objects that a manager opens and keeps. It is made by [Define].
type Type[T, A any] struct {
	t    *typeInfo
	args message.Codec[A]
}

// An Object is a type of objects of a manager: a [Type] or a [Kind]. Methods are declared for it.
type Object[T any] interface {
	object(T) *typeInfo
}

// A Kind is a type of objects that methods return, see [Returned].
type Kind[T any] struct{ t *typeInfo }

func (t *Type[T, A]) object(T) *typeInfo { return t.t }
func (k *Kind[T]) object(T) *typeInfo    { return k.t }

// typeInfo is a type without its types.
type typeInfo struct {
	name      string
	form      string // of the argument; empty for a Kind
	open      func(ctx context.Context, arg []byte) (any, error)
	exclusive bool
}

// registry is what this process has defined. It only grows.
var registry = struct {
	sync.RWMutex
	types   map[string]*typeInfo
	methods map[string]*methodInfo
	order   []*methodInfo                 // by the number in this process
	numbers atomic.Pointer[[]*methodInfo] // order, to be read without the lock
}{types: map[string]*typeInfo{}, methods: map[string]*methodInfo{}}

func register(what string, t *typeInfo) {
	registry.Lock()
	defer registry.Unlock()
	if t.name == "" {
		panic(fmt.Sprintf("manager.%s: the name is empty", what))
	}
	if registry.types[t.name] != nil {
		panic(fmt.Sprintf("manager.%s: %q is defined already", what, t.name))
	}
	registry.types[t.name] = t
}

// Define makes T a type of objects that managers open by calling open, with an argument that the
// client gives. Call it for a package-level variable of a package that the server and its clients
// import. An object has an ordinary T, on the heap of the manager; if T has a method Close() error,
// it is called when the last reference has gone.
//
// It panics when the name is taken, or when an A would arrive changed, as pool.Define does.
func Define[T, A any](name string, open func(ctx context.Context, arg A) (T, error), options ...TypeOption) *Type[T, A] {
	args, err := message.For[A]()
	if err != nil {
		panic(fmt.Sprintf("manager.Define: type %q: argument: %v", name, err))
	}
	t := &typeInfo{name: name, form: args.Signature(), open: func(ctx context.Context, arg []byte) (any, error) {
		a, err := args.Decode(arg)
		if err != nil {
			return nil, err
		}
		return open(ctx, a)
	}}
	for _, o := range options {
		o(t)
	}
	register("Define", t)
	return &Type[T, A]{t: t, args: args}
}

// A TypeOption changes how objects of a type are used.
type TypeOption func(*typeInfo)

// Exclusive has the calls of one object run one at a time, in the order in which they come to wait.
func Exclusive() TypeOption { return func(t *typeInfo) { t.exclusive = true } }

// Returned makes T a type of objects that methods return by [Maker]: no client opens them.
func Returned[T any](name string, options ...TypeOption) *Kind[T] {
	t := &typeInfo{name: name}
	for _, o := range options {
		o(t)
	}
	register("Returned", t)
	return &Kind[T]{t}
}

// New opens an object in the manager, and returns a reference to it.
//
// Errors: those of [Call.Call]; what the function that opens returned, as a [*RemoteError].
func (t *Type[T, A]) New(ctx context.Context, m *Manager, arg A) (*Ref[T], error) {
	return t.get(ctx, m, kindNew, "", arg)
}

// Named returns a reference to the object of that name, which all clients share. The first client
// opens it, with arg. It lives until [Manager.Remove], or the end of the manager, and the reference
// outlives that: the next call opens the object again where it has gone.
//
// Errors: those of [Type.New]; [shm.ErrMismatch] when the object of that name is of another type.
func (t *Type[T, A]) Named(ctx context.Context, m *Manager, name string, arg A) (*Ref[T], error) {
	if name == "" {
		return nil, fmt.Errorf("manager: a named %s: the name is empty", t.t.name)
	}
	return t.get(ctx, m, kindNamed, name, arg)
}

// An Initializer is a function that runs in the process of [Start] before it serves. It is made by
// [Initialize].
type Initializer struct{ name string }

var initializers sync.Map // name: func(context.Context) error

// Initialize makes f an [Initializer]. Call it for a package-level variable. It panics when the
// name is taken.
func Initialize(name string, f func(ctx context.Context) error) *Initializer {
	if _, taken := initializers.LoadOrStore(name, f); taken || name == "" {
		panic(fmt.Sprintf("manager.Initialize: the name %q is empty or taken", name))
	}
	return &Initializer{name}
}

// initialize runs the initializer of that name.
func initialize(ctx context.Context, name string) error {
	if name == "" {
		return nil
	}
	f, ok := initializers.Load(name)
	if !ok {
		return fmt.Errorf("it does not know the initializer %q: make it before pool.Main is called", name)
	}
	return guard.Call(func() error { return f.(func(context.Context) error)(ctx) })
}
