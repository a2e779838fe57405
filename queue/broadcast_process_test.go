package queue

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A put that waits for a reader of another process goes on when that is killed, whatever it does:
// vllm-project/vllm#45644.
func TestBroadcastReaderDies(t *testing.T) {
	for _, at := range []string{"rest", "look", "get"} {
		eachCast(t, Options{}, func(t *testing.T, kind, path string, b castAPI, _ Options) {
			child := proctest.Start(t, roleCastReader, path, kind, "0", at)
			child.Expect("subscribed")
			wantErr(t, b.await(background, 1), nil)
			if at == "look" {
				wantErr(t, b.put(background, 1), nil)
				child.Expect("1")
			}
			if at == "get" {
				child.Signal(syscall.SIGSTOP)
				child.WaitStopped()
			}
			put := proctest.MustBlock(t, func() {
				for v := range int64(40) {
					wantErr(t, b.put(background, v), nil)
				}
			})
			child.Kill()
			proctest.Ends(t, put, "puts go on when the reader is dead")
			if s := b.stats(); s.Readers != 0 || s.Expelled != 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}

// Without patience a put waits for a stopped reader, which has lost nothing when it goes on. With
// patience it does not, and the reader is told.
func TestBroadcastReaderIsStopped(t *testing.T) {
	const short = 20 * time.Millisecond //clock: that it ends a wait is the subject
	for _, patience := range []time.Duration{0, short} {
		eachCast(t, Options{Patience: patience}, func(t *testing.T, kind, path string, b castAPI, _ Options) {
			child := proctest.Start(t, roleCastReader, path, kind, "0", "look")
			child.Expect("subscribed")
			wantErr(t, b.put(background, 1), nil)
			child.Expect("1")
			child.Signal(syscall.SIGSTOP)
			child.WaitStopped()
			put := make(chan struct{})
			go func() {
				defer close(put)
				for v := range int64(40) {
					wantErr(t, b.put(background, v), nil)
				}
			}()
			if patience == 0 {
				proctest.Blocked(t, put)
			} else {
				proctest.Ends(t, put, "puts go on without the stopped reader")
			}
			child.Signal(syscall.SIGCONT)
			child.Send("release")
			said := child.Line()
			if patience == 0 && said != "<nil>" || patience != 0 && !strings.Contains(said, ErrExpelled.Error()) {
				t.Errorf("the reader was told: %s", said)
			}
			child.Kill()
			proctest.Ends(t, put, "puts go on when the reader is dead")
		})
	}
}

// Blocked names the process whose reader a put waits for.
func TestBroadcastBlockedNamesTheReader(t *testing.T) {
	eachCast(t, Options{}, func(t *testing.T, kind, path string, b castAPI, _ Options) {
		child := proctest.Start(t, roleCastReader, path, kind, "0", "rest")
		child.Expect("subscribed")
		put := make(chan error)
		go func() {
			for v := range int64(40) {
				if err := b.put(background, v); err != nil {
					put <- err
					return
				}
			}
			put <- nil
		}()
		seg := reopen(t, path)
		asleep.Await(t, seg, 1)
		report, err := shmsync.Blocked(seg)
		wantErr(t, err, nil)
		if len(report.Waits) != 1 || report.Waits[0].Role != "put" || len(report.Waits[0].Holders) != 1 ||
			report.Waits[0].Holders[0].PID != child.PID() {
			t.Errorf("%v", report)
		}
		child.Kill()
		wantErr(t, proctest.Ends(t, put, "the puts go on"), nil)
	})
}

// A writer of another process is killed anywhere, again and again: readers get all that it has said
// to have put, without a gap, and what the next one puts.
func TestBroadcastWriterDies(t *testing.T) {
	rounds := 5
	if long {
		rounds = 200
	}
	eachCast(t, Options{}, func(t *testing.T, kind, path string, b castAPI, _ Options) {
		acked, err := shm.NewInt64(reopen(t, path), "acked", 0)
		wantErr(t, err, nil)
		for range rounds {
			r, err := b.subscribe(FromNewest)
			wantErr(t, err, nil)
			acked.Store(0)
			got := make(chan int64)
			go func() { got <- readUntilLast(t, r) }()
			child := proctest.Start(t, roleCastWriter, path, kind)
			child.Expect("begins")
			proctest.Stagger(3 * time.Millisecond)
			child.Kill()
			putOnce(t, path, kind, lastOfAll)
			if last := proctest.Ends(t, got, "the reader gets what the next writer puts"); last < acked.Load() {
				t.Fatalf("%d was put, and %d was the last to come", acked.Load(), last)
			}
			wantErr(t, r.close(), nil)
		}
	})
}

// lastOfAll is the number of the last message for a reader.
const lastOfAll = -1

// readUntilLast gets 1, 2, 3 … until lastOfAll, and returns the number before that.
func readUntilLast(t *testing.T, r castReader) (last int64) {
	for {
		v, err := r.get(background)
		switch {
		case err == nil && v == lastOfAll:
			return last
		case err != nil || v != last+1:
			t.Errorf("%d after %d, %v", v, last, err)
			return last
		}
		last = v
	}
}

// A reader that asks for it is told when the writer has died and all is read; another writer can go
// on.
func TestBroadcastEndWithWriter(t *testing.T) {
	for kind, open := range castKinds {
		t.Run(kind, func(t *testing.T) {
			path := proctest.Dir(t) + "/segment"
			seg, err := shm.Create(path, shm.Options{})
			wantErr(t, err, nil)
			t.Cleanup(func() { seg.Close() })
			b, err := open(seg, true, Options{EndWithWriter: true})
			wantErr(t, err, nil)
			acked, err := shm.NewInt64(seg, "acked", 0)
			wantErr(t, err, nil)
			r, err := b.subscribe(FromNewest)
			wantErr(t, err, nil)
			_, err = r.get(canceled) // no process is the writer yet
			wantErr(t, err, canceled.Err())
			child := proctest.Start(t, roleCastWriter, path, kind)
			child.Expect("begins")
			for v := int64(1); v < 100; v++ {
				if got, err := r.get(background); got != v || err != nil {
					t.Fatal(got, err)
				}
			}
			child.Signal(syscall.SIGSTOP)
			child.WaitStopped()
			ends := make(chan error)
			last := int64(99)
			go func() {
				for {
					v, err := r.get(background)
					if err != nil {
						ends <- err
						return
					}
					last = v
				}
			}()
			asleep.AwaitIn(t, seg, syscall.Getpid(), 1)
			child.Kill()
			wantErr(t, proctest.Ends(t, ends, "the reader is told"), ErrWriterDied)
			if last < acked.Load() {
				t.Errorf("%d was put, and %d was the last to come", acked.Load(), last)
			}
			wantErr(t, b.put(background, last+1), nil)
			if v, err := r.get(background); v != last+1 || err != nil {
				t.Error(v, err)
			}
		})
	}
}

// A writer that waits for its readers has none of them miss its first message.
func TestBroadcastNobodyMissesTheFirst(t *testing.T) {
	eachCast(t, Options{}, func(t *testing.T, kind, path string, b castAPI, _ Options) {
		ready := make(chan error)
		for n := range 3 {
			go func() { ready <- b.await(background, n+1) }()
		}
		for range 3 {
			child := proctest.Start(t, roleCastReader, path, kind, "1", "rest")
			defer func() {
				child.Expect("subscribed")
				child.Send("get")
				child.Expect("1")
				child.Kill()
			}()
		}
		for range 3 {
			wantErr(t, proctest.Ends(t, ready, "the readers subscribe"), nil)
		}
		wantErr(t, b.await(canceled, 4), canceled.Err())
		wantErr(t, b.put(background, 1), nil)
	})
}
