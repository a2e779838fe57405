//go:build crashtest

package queue

import (
	"slices"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleBroadcastCrash does operation args[1] once on the Broadcast of the segment args[0], and is
// killed in that.
var roleBroadcastCrash = proctest.Register("broadcast-crash", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := OpenBroadcast[int64](seg, "b", Options{})
	proctest.ExitOn(err)
	r := b.mustSubscribe(FromOldest)
	proctest.Armed(func() { broadcastOnce(b, r, args[1]) })
})

func broadcastOnce(b *Broadcast[int64], r *Reader[int64], operation string) {
	switch operation {
	case "put":
		proctest.ExitOn(b.Put(background, 99))
	case "put-batch":
		_, err := b.PutBatch(background, []int64{97, 98, 99})
		proctest.ExitOn(err)
	case "get-batch":
		_, err := r.GetBatch(background, make([]int64, 3))
		proctest.ExitOn(err)
	case "reserve":
		res, err := b.Reserve(background)
		proctest.ExitOn(err)
		*res.Value = 99
		proctest.ExitOn(res.Commit())
	case "abort":
		res, err := b.Reserve(background)
		proctest.ExitOn(err)
		proctest.ExitOn(res.Abort())
	case "get":
		_, err := r.Get(background)
		proctest.ExitOn(err)
	case "close":
		proctest.ExitOn(b.Close())
	}
}

// A57: a process dies anywhere: readers see what was put before, perhaps messages of the dead one,
// and what the next writer puts.
func TestOverwritingCrashSweep(t *testing.T) {
	for _, op := range []string{"put", "put-batch", "reserve", "abort", "get", "get-batch", "close"} {
		least := 1
		if op == "get" || op == "get-batch" { // a reader changes nothing
			least = 0
		}
		proctest.Sweep(t, least, func(p *proctest.Crash) {
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			before, err := NewBroadcast[int64](seg, "b", 8, overwriting.startingAt(^uint64(0)-3))
			wantErr(t, err, nil)
			mustBroadcast(t, before, 1, 2, 3)
			wantErr(t, seg.Close(), nil) // gives the role up
			seg, err = shm.Open(path)
			wantErr(t, err, nil)
			b, err := OpenBroadcast[int64](seg, "b", Options{})
			wantErr(t, err, nil)
			r := b.mustSubscribe(FromOldest)
			p.Start(roleBroadcastCrash, path, op)
			survived := p.Wait()
			err = b.Put(background, 100)
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
			victims := map[string][]int64{"put": {99}, "reserve": {99}, "put-batch": {97, 98, 99}}[op]
			seen := 0
			for seen < len(victims) && len(got) > 3+seen && got[3+seen] == victims[seen] {
				seen++
			}
			want := append([]int64{1, 2, 3}, victims[:seen]...)
			if err == nil {
				want = append(want, 100)
			}
			if !slices.Equal(got, want) || survived && seen != len(victims) {
				t.Fatalf("%s, crash point %v: %v, want %v", op, p, got, want)
			}
			if a := b.Stats().Abandoned; a > 1 || a == 1 && len(victims) > 0 && seen == len(victims) {
				t.Errorf("%s: %d abandoned, %v", op, a, got)
			}
			wantErr(t, seg.Close(), nil)
		})
	}
}
