//go:build crashtest

package queue

import (
	"errors"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleBytesCrash does operation args[1] once on the Bytes of the segment args[0], and is killed in
// that.
var roleBytesCrash = proctest.Register("bytes-crash", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := OpenBytes(seg, "b", Options{})
	proctest.ExitOn(err)
	proctest.Armed(func() { bytesOnce(b, args[1]) })
})

func bytesOnce(b *Bytes, operation string) {
	switch operation {
	case "put":
		proctest.ExitOn(b.Put(background, []byte("victim")))
	case "reserve":
		res, err := b.Reserve(background, 6)
		proctest.ExitOn(err)
		copy(res.Value, "victim")
		proctest.ExitOn(res.Commit())
	case "abort":
		res, err := b.Reserve(background, 6)
		proctest.ExitOn(err)
		proctest.ExitOn(res.Abort())
	case "get":
		_, err := b.Get(background)
		proctest.ExitOn(err)
	case "peek":
		p, err := b.Peek(background)
		proctest.ExitOn(err)
		proctest.ExitOn(p.Release())
	case "close":
		proctest.ExitOn(b.Close())
	}
}

// A process dies anywhere: at most the one message in its hands is gone, and counted; the rest
// comes in order, and the ring can be filled to the end again, many times round.
func TestBytesCrashSweep(t *testing.T) {
	for _, op := range []string{"put", "reserve", "abort", "get", "peek", "close"} {
		least := 2
		if op == "close" {
			least = 1
		}
		proctest.Sweep(t, least, func(p *proctest.Crash) {
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			b, err := NewBytes(seg, "b", 100, Options{}.startingAt(^uint64(0)-199))
			wantErr(t, err, nil)
			// 24 bytes each; the next record is behind a gap at the end of the ring
			for _, m := range []string{"one", "two"} {
				wantErr(t, b.TryPut([]byte(m)), nil)
			}
			p.Start(roleBytesCrash, path, op)
			checkAfterCrash(t, b, op, p.Wait())
			wantErr(t, seg.Close(), nil)
			if t.Failed() {
				t.Fatalf("%s, crash point %v", op, p)
			}
		})
	}
}

func checkAfterCrash(t *testing.T, b *Bytes, op string, survived bool) {
	t.Helper()
	closed := b.Closed()
	if !closed {
		wantErr(t, b.Put(background, []byte("last")), nil)
	}
	var got []string
	for {
		m, err := b.TryGet()
		if err != nil {
			if err != ErrEmpty && !errors.Is(err, ErrClosed) {
				t.Fatal(err)
			}
			break
		}
		got = append(got, string(m))
	}
	taken := 0
	if len(got) > 0 && got[0] != "one" {
		taken = 1
	}
	want := []string{"one", "two"}[taken:]
	if len(got) > len(want) && got[len(want)] == "victim" {
		want = append(want, "victim")
	}
	if !closed {
		want = append(want, "last")
	}
	abandoned := int(b.Stats().Abandoned)
	if len(got) != len(want) || abandoned > 1 || taken == 1 && op != "get" && op != "peek" || survived && abandoned != 0 {
		t.Errorf("got %q, want %q; %d abandoned", got, want, abandoned)
	}
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if closed {
		return
	}
	for range 50 {
		wantErr(t, b.TryPut(make([]byte, 100)), nil)
		if _, err := b.TryGet(); err != nil {
			t.Fatal(err)
		}
	}
	if n := b.Len(); n < 0 || n > 1 {
		t.Errorf("%d messages are left", n)
	}
	if _, err := b.TryGet(); !errors.Is(err, ErrEmpty) {
		t.Error(err)
	}
}
