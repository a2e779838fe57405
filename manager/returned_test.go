package manager

import (
	"context"
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A cursor is what a method of a desk returns; no client can open one.
type cursor struct {
	d    *desk
	next int
}

var (
	Cursor = Returned[*cursor]("test.cursor")
	Scan   = Maker(Desk, "scan", func(d *desk, _ context.Context, from int64) (*cursor, error) { return &cursor{d, int(from)}, nil }, Cursor)
	Next   = Method(Cursor, "next", (*cursor).advance)
)

var errEnd = errors.New("the notes are at their end")

func init() { Error("manager_test.errEnd", errEnd) }

func (c *cursor) advance(context.Context, struct{}) (string, error) {
	c.d.mu.Lock()
	defer c.d.mu.Unlock()
	if c.next >= len(c.d.notes) {
		return "", errEnd
	}
	c.next++
	return c.d.notes[c.next-1], nil
}

func (c *cursor) Close() error { return c.d.Close() }

// What a method returns stays in the manager, has methods of its own, and ends with its reference.
func TestReturned(t *testing.T) {
	s, m := serve(t, Options{})
	d := newDesk(t, m, "one", "two", "three")
	c, err := Scan.Call(background, d, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"two", "three"} {
		if text, err := Next.Call(background, c, struct{}{}); err != nil || text != want {
			t.Errorf("%q, error %v, want %q", text, err, want)
		}
	}
	if _, err := Next.Call(background, c, struct{}{}); !errors.Is(err, errEnd) {
		t.Errorf("error %v", err)
	}
	list, err := m.Objects(background)
	if err != nil || len(list) != 2 || list[1].Type != "test.cursor" {
		t.Errorf("%+v, error %v", list, err)
	}
	b, err := c.MarshalBinary()
	if err != nil {
		t.Fatal(err)
	}
	var other Ref[*desk] // of another type than the object's
	if err := other.UnmarshalBinary(b); err != nil {
		t.Fatal(err)
	}
	var no *NoMethodError
	if _, err := All.Call(background, &other, struct{}{}); !errors.As(err, &no) {
		t.Errorf("a cursor is called as a desk: error %v", err)
	}
	other.Close()
	c.Close()
	proctest.Eventually(t, proctest.Hang, func() bool { return len(s.list()) == 1 }, "the cursor goes with its reference")
}
