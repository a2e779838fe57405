package public_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/public"
)

type inner struct{ n int }

func (e *inner) Error() string      { return fmt.Sprint("number ", e.n) }
func (e *inner) As(target any) bool { return public.As(e, target) }
func (e *inner) Is(t error) bool    { return public.Is(e, t) }

type outer inner

func (e *outer) Error() string { return (*inner)(e).Error() }

// other is an error that no internal one is presented as.
type other inner

func (e *other) Error() string { return (*inner)(e).Error() }

var present sync.Once

func TestAsFindsThePublicType(t *testing.T) {
	err := fmt.Errorf("wrapped: %w", &inner{7})
	present.Do(func() { // for the process, however often the test runs
		if e := new(outer); errors.As(err, &e) {
			t.Errorf("%v before it is presented", e)
		}
		public.Present(func(e *inner) *outer { return (*outer)(e) })
	})
	e := new(outer)
	if !errors.As(err, &e) || e.n != 7 || e.Error() != "number 7" {
		t.Errorf("got %v", e)
	}
	if !errors.Is(err, e) || errors.Is(err, &outer{7}) || errors.Is(err, (*other)(e)) {
		t.Error("an error is not what was found of it, or another one is")
	}
	if e, ok := errors.AsType[*outer](errors.Join(errors.New("another"), err)); !ok || e.n != 7 {
		t.Errorf("got %v, %v", e, ok)
	}
	if e := new(other); errors.As(err, &e) {
		t.Errorf("got %v", e)
	}
	if e := new(inner); !errors.As(err, &e) || e.n != 7 {
		t.Errorf("got %v", e)
	}
}
