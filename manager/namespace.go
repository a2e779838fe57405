package manager

import "context"

// namespaces are maps from names to values of any type.
var namespaces = DictOf[string, any]("shmkit.Namespace")

// A Namespace has attributes of any type, by name, in a manager. All clients with a reference share
// it. A value travels with its type, which must be a basic one or part of an argument or result of
// some method or task.
type Namespace = Dict[string, any]

// NewNamespace makes a Namespace without attributes.
//
// Errors: those of [Type.New].
func NewNamespace(ctx context.Context, m *Manager) (*Namespace, error) {
	return namespaces.New(ctx, m, nil)
}

// NamedNamespace returns the Namespace of a name.
//
// Errors: those of [Type.Named].
func NamedNamespace(ctx context.Context, m *Manager, name string) (*Namespace, error) {
	return namespaces.Named(ctx, m, name, nil)
}
