package queue

import "fmt"

// String names the queue, its kind and its segment: for people, and for logs.
func (h *object) String() string { return h.o.String() }

// String names the queue and its segment: for people, and for logs.
func (q *Objects[T]) String() string { return q.b.String() }

// String names the policy.
func (f WhenFull) String() string {
	return enum(int(f), "WhenFull", "WaitForRoom", "DropNewest", "DropOldest")
}

// String names the place.
func (s Start) String() string { return enum(int(s), "Start", "FromNewest", "FromOldest") }

// enum is the name of a constant of a type.
func enum(i int, typ string, names ...string) string {
	if i < 0 || i >= len(names) {
		return fmt.Sprintf("%s(%d)", typ, i)
	}
	return names[i]
}
