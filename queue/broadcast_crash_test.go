//go:build crashtest

package queue

import (
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleBroadcastCrash does operation args[1] once on the Broadcast of the segment args[0], and is killed at its args[2]-th point.
var roleBroadcastCrash = proctest.Register("broadcast-crash", func(args []string) {
	seg, err := shm.Open(args[0])
	exitOn(err)
	b, err := OpenBroadcast[int64](seg, "b", Options{})
	exitOn(err)
	r := b.Reader(FromOldest)
	n, err := strconv.Atoi(args[2])
	exitOn(err)
	crashpoint.Arm(n)
	switch args[1] {
	case "put":
		exitOn(b.Put(99))
	case "reserve":
		res, err := b.Reserve()
		exitOn(err)
		*res.Value = 99
		exitOn(res.Commit())
	case "abort":
		res, err := b.Reserve()
		exitOn(err)
		exitOn(res.Abort())
	case "get":
		_, err := r.Get(background)
		exitOn(err)
	case "close":
		exitOn(b.Close())
	}
	crashpoint.Disarm()
})

// Whoever dies wherever: readers see what was put before, perhaps the message of the dead one, and what the next writer puts.
func TestBroadcastCrashSweep(t *testing.T) {
	for _, op := range []string{"put", "reserve", "abort", "get", "close"} {
		for n := 1; ; n++ {
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			before, err := NewBroadcast[int64](seg, "b", 8, Options{}.startingAt(^uint64(0)-3))
			wantErr(t, err, nil)
			mustBroadcast(t, before, 1, 2, 3)
			wantErr(t, seg.Close(), nil) // gives the role up
			seg, err = shm.Open(path)
			wantErr(t, err, nil)
			b, err := OpenBroadcast[int64](seg, "b", Options{})
			wantErr(t, err, nil)
			r := b.Reader(FromOldest)
			child := proctest.Start(t, roleBroadcastCrash, path, op, strconv.Itoa(n))
			survived := child.Wait().Success()
			err = b.Put(100)
			if b.Closed() {
				wantErr(t, err, ErrClosed)
			} else {
				wantErr(t, err, nil)
				wantErr(t, b.Close(), nil)
			}
			var got []int64
			for v, err := range r.All(background) {
				wantErr(t, err, nil)
				got = append(got, v)
			}
			i := 3
			if len(got) > i && got[i] == 99 {
				i++
			}
			if err == nil && (len(got) != i+1 || got[i] != 100) || err != nil && len(got) != i {
				t.Fatalf("%s, killed at point %d: %v", op, n, got)
			}
			if a := b.Stats().Abandoned; a > 1 || a == 1 && i == 4 {
				t.Errorf("%s, killed at point %d: %d abandoned, %v", op, n, a, got)
			}
			wantErr(t, seg.Close(), nil)
			if survived {
				if n == 1 && op != "get" {
					t.Errorf("%s passes no point", op)
				}
				t.Logf("%s: %d points", op, n-1)
				break
			}
		}
	}
}
