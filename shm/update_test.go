//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

var errMine = errors.New("mine")

// ends is every way that the function of an Update can end without success.
var ends = map[string]func() error{
	"error":  func() error { return errMine },
	"panic":  func() error { panic(errMine) },
	"Goexit": func() error { runtime.Goexit(); return nil },
}

// An Update that does not succeed changes nothing, and frees the lock.
func TestUpdateThatFails(t *testing.T) {
	for how, end := range ends {
		t.Run(how, func(t *testing.T) {
			seg := newSegment(t, small)
			v, a := need(shm.NewValue(seg, "v", [3]int32{1, 2, 3})), need(shm.NewArray[int32](seg, "a", 3))
			wantOK(t, a.Set(background, 1, 5))
			updates := map[string]func() error{
				"Value.Update": func() error {
					return v.Update(background, func(v *[3]int32) error { *v = [3]int32{9, 9, 9}; return end() })
				},
				"Array.Update": func() error {
					return a.Update(background, func(e []int32) error { copy(e, []int32{9, 9, 9}); return end() })
				},
				"Array.UpdateRange": func() error {
					return a.UpdateRange(background, 1, 2, func(e []int32) error { e[0] = 9; return end() })
				},
				"Array.Read": func() error { return a.Read(background, func([]int32) error { return end() }) },
			}
			for name, update := range updates {
				if err := ending(update); how == "error" && err != errMine || how != "error" && err == nil {
					t.Errorf("%s: %v", name, err)
				}
				if got := need(v.Load()); got != [3]int32{1, 2, 3} {
					t.Errorf("%s changed the Value: %v", name, got)
				}
				wantOK(t, within(proctest.Hang, func(ctx context.Context) error {
					return a.Read(ctx, func(e []int32) error {
						if [3]int32(e) != [3]int32{0, 5, 0} {
							t.Errorf("%s changed the Array: %v", name, e)
						}
						return nil
					})
				}))
				wantOK(t, within(proctest.Hang, func(ctx context.Context) error { return v.Store(ctx, [3]int32{1, 2, 3}) }))
			}
		})
	}
}

var errEnded = errors.New("the goroutine ended")

// ending runs f on a goroutine of its own, which f may end.
func ending(f func() error) (err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic: %v", p)
			}
		}()
		err = errEnded
		err = f()
	}()
	<-done
	return err
}

func within(d time.Duration, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(background, d)
	defer cancel()
	return f(ctx)
}

func TestUpdateRangeBounds(t *testing.T) {
	seg := newSegment(t, small)
	a := need(shm.NewArray[int64](seg, "an array", 4))
	wantOK(t, a.Update(background, func(e []int64) error { copy(e, []int64{10, 20, 30, 40}); return nil }))
	for low := -2; low <= 6; low++ {
		for high := -2; high <= 6; high++ {
			ran := false
			err := a.UpdateRange(background, low, high, func(e []int64) error {
				ran = true
				if len(e) != high-low || cap(e) != len(e) || len(e) > 0 && e[0] != int64(10*(low+1)) {
					t.Errorf("[%d, %d): %v of %d", low, high, e, cap(e))
				}
				return nil
			})
			if in := 0 <= low && low <= high && high <= 4; ran != in || (err == nil) != in {
				t.Errorf("[%d, %d): ran %v, %v", low, high, ran, err)
			}
			if err != nil && !strings.Contains(err.Error(), "an array") {
				t.Error(err)
			}
		}
	}
	for _, i := range []int{-1, 4, math.MinInt, math.MaxInt} {
		if _, err := a.At(background, i); err == nil {
			t.Errorf("At %d", i)
		}
		if err := a.Set(background, i, 1); err == nil {
			t.Errorf("Set %d", i)
		}
	}
}

// While another process holds the lock writers wait as long as their context lets them; readers of
// a Value and of elements of an Array do not wait.
func TestContextsEndWaiting(t *testing.T) {
	seg := newSegment(t, small)
	v, a, child := held(t, seg)
	waits := map[string]func(context.Context) error{
		"Value.Store":  func(ctx context.Context) error { return v.Store(ctx, 1) },
		"Value.Update": func(ctx context.Context) error { return v.Update(ctx, func(*int64) error { return errMine }) },
		"Array.Set":    func(ctx context.Context) error { return a.Set(ctx, 0, 1) },
		"Array.Update": func(ctx context.Context) error { return a.Update(ctx, func([]int64) error { return errMine }) },
		"Array.Read":   func(ctx context.Context) error { return a.Read(ctx, func([]int64) error { return errMine }) },
	}
	cancelled, cancel := context.WithCancelCause(background)
	cancel(errMine)
	for name, wait := range waits {
		if err := wait(cancelled); !errors.Is(err, context.Canceled) && !errors.Is(err, errMine) {
			t.Errorf("%s with a cancelled context: %v", name, err)
		}
		//clock: that the time-out ends it is the subject
		if err := within(20*time.Millisecond, wait); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%s with a deadline: %v", name, err)
		}
		ctx, cancel := context.WithCancel(background)
		var err error
		returned := proctest.MustBlock(t, func() { err = wait(ctx) })
		cancel()
		<-returned
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s cancelled: %v", name, err)
		}
	}
	if got := need(v.Load()); got != 7 {
		t.Errorf("the Value is %d while it is being changed", got)
	}
	one := make([]int64, 1)
	if got, n := need(a.At(background, 0)), need(a.Copy(background, one, 0)); n != 1 || got != one[0] {
		t.Errorf("%d copied, %d and %d, while the Array is being changed", n, got, one[0])
	}
	child.Send("end")
	child.WaitOK()
	wantOK(t, v.Store(background, 8))
	wantOK(t, a.Set(background, 0, 8))
}
