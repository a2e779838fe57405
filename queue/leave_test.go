package queue

import (
	"errors"
	"fmt"
	"io/fs"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// messages are always in each queue, up to one for each use. They are never 0.
const messages = 50

// positive checks a message.
func positive(n int64, err error) error {
	if err == nil && n <= 0 {
		return fmt.Errorf("the message is %d", n)
	}
	return err
}

// leftQueues makes the kinds of queues, for that many messages.
var leftQueues = map[string]func(t testing.TB, seg *shm.Segment, name string, capacity int, o Options) queueAPI{
	"Queue": func(t testing.TB, seg *shm.Segment, name string, capacity int, o Options) queueAPI {
		q, err := NewQueue[int64](seg, name, capacity, o)
		wantErr(t, err, nil)
		return queueOf(q)
	},
	"SPSC": func(t testing.TB, seg *shm.Segment, name string, capacity int, _ Options) queueAPI {
		q, err := NewSPSC[int64](seg, name, capacity, Options{})
		wantErr(t, err, nil)
		return spscOf(q)
	},
	"Bytes": func(t testing.TB, seg *shm.Segment, name string, capacity int, o Options) queueAPI {
		q, err := NewBytes(seg, name, 32*capacity, o)
		wantErr(t, err, nil)
		return bytesAPI(q)
	},
	"Objects": func(t testing.TB, seg *shm.Segment, name string, capacity int, o Options) queueAPI {
		q, err := NewObjects[int64](seg, name, 32*capacity, o)
		wantErr(t, err, nil)
		return objectsAPI(q)
	},
}

// leaveUses is every operation of a kind of queue, each on a queue of its own, which is never empty
// and never full.
func leaveUses(t testing.TB, seg *shm.Segment, kind string, capacity int) (uses []proctest.Use) {
	use := func(name string, joinable bool, do func(q queueAPI) error) {
		name = fmt.Sprintf("%s of %d: %s", kind, capacity, name)
		q := leftQueues[kind](t, seg, name, capacity, Options{Joinable: joinable})
		for q.reopen() != nil { // it was left closed, and must be empty
			_, err := q.get(background)
			wantErr(t, err, nil)
		}
		for q.len() < messages {
			wantErr(t, q.put(background, int64(q.len())+1), nil)
		}
		uses = append(uses, proctest.Use{Name: name, Do: func(int) error { return do(q) }})
	}
	use("try", false, queueAPI.tryMove)
	use("get and put", false, func(q queueAPI) error {
		n, err := q.get(background)
		if err := positive(n, err); err != nil {
			return err
		}
		return q.put(background, n)
	})
	use("batch", false, func(q queueAPI) error {
		all, err := q.getBatch(background, 4)
		for _, n := range all {
			err = errors.Join(err, positive(n, nil))
		}
		if err == nil {
			_, err = q.putBatch(background, all)
		}
		return err
	})
	use("select", false, func(q queueAPI) error {
		s := shmsync.NewSelect(q.gets(), q.puts())
		defer s.Close()
		if _, ok := s.Try(); !ok {
			return errors.New("neither a message nor room")
		}
		if _, err := s.Wait(background); err != nil {
			return err
		}
		return q.tryMove()
	})
	use("len and reopen", false, func(q queueAPI) error {
		n := q.len()
		err := q.reopen() // Len has no error
		if err == nil && (n < messages || n > capacity) {
			return fmt.Errorf("%d messages", n)
		}
		return err
	})
	use("close and reopen", false, func(q queueAPI) error {
		if err := q.close(); err != nil {
			return err
		}
		if err := q.reopen(); !errors.Is(err, fs.ErrInvalid) {
			return errors.Join(err, errors.New("closed, with messages"))
		}
		_, err := q.get(background)
		for err == nil {
			_, err = q.get(background)
		}
		if !errors.Is(err, ErrClosed) {
			return err
		}
		if err := q.reopen(); err != nil {
			return err
		}
		return q.put(background, 1)
	})
	use("marshal", false, func(q queueAPI) error {
		_, err := q.marshal()
		return err
	})
	if kind != "Objects" {
		use("place", false, queueAPI.moveInPlace)
	}
	if kind == "SPSC" {
		return uses
	}
	use("task", true, func(q queueAPI) error {
		n, err := q.tryGet()
		if err := positive(n, err); err != nil {
			return err
		}
		if err := q.taskDone(); err != nil {
			return err
		}
		return q.tryPut(n)
	})
	use("join", true, func(q queueAPI) error {
		if err := q.join(background); err != nil {
			return err
		}
		return errors.New("all is done, with messages in the queue")
	})
	return uses
}

// tryMove moves a message to the end of the queue.
func (q queueAPI) tryMove() error {
	n, err := q.tryGet()
	if err := positive(n, err); err != nil {
		return err
	}
	return q.tryPut(n)
}

// moveInPlace is tryMove without a copy.
func (q queueAPI) moveInPlace() error {
	n, release, err := q.peek(background)
	if err != nil {
		return err
	}
	if err := release(); err != nil {
		return err
	}
	commit, _, err := q.reserve(background)
	if err != nil {
		return err
	}
	return commit(max(n, 1)) // what is looked at in place is no copy
}

// withReader calls f with a reader.
func withReader(b *Broadcast[int64], from Start, f func(*Reader[int64]) error) error {
	r, err := b.Subscribe(from)
	if err != nil {
		return err
	}
	defer r.Close()
	return f(r)
}

// broadcastUses is every operation of a Broadcast, which has a message.
func broadcastUses(t testing.TB, seg *shm.Segment, capacity int, o Options) []proctest.Use {
	name := fmt.Sprintf("Broadcast of %d, %v, %v", capacity, o.WhenFull, o.Writers)
	written, err := NewBroadcast[int64](seg, name+", written", capacity, o)
	wantErr(t, err, nil)
	still, err := NewBroadcast[int64](seg, name, capacity, o)
	wantErr(t, err, nil)
	if _, err := still.Latest(); err == ErrEmpty {
		wantErr(t, still.Put(background, 1), nil)
	}
	return []proctest.Use{
		{Name: name + " Put", Do: func(i int) error { return written.Put(background, int64(i)+1) }},
		{Name: name + " Latest", Do: func(int) error { return positive(still.Latest()) }},
		{Name: name + " TryGet", Do: func(int) error {
			return withReader(still, FromOldest, func(r *Reader[int64]) error { return positive(r.TryGet()) })
		}},
		{Name: name + " Get", Do: func(int) error {
			return withReader(still, FromOldest, func(r *Reader[int64]) error { return positive(r.Get(background)) })
		}},
		{Name: name + " TryGet behind the end", Do: func(int) error {
			return withReader(still, FromNewest, func(r *Reader[int64]) error {
				n, err := r.TryGet()
				if err == ErrEmpty {
					return nil
				}
				return errors.Join(err, fmt.Errorf("message %d", n))
			})
		}},
		{Name: name + " Open", Do: func(int) error {
			b, err := OpenBroadcast[int64](seg, name, Options{})
			if err != nil {
				return err
			}
			return errors.Join(positive(b.Latest()), b.Detach())
		}},
	}
}

// Operations on queues that meet the Close of their segment have a right result or say that it is
// closed. None concludes anything from memory that this process has just left.
func TestResultsAgainstClose(t *testing.T) {
	keeper := newSegment(t, shm.Options{Size: 256 << 20, Objects: 256})
	for range leaves() {
		seg, err := shm.FromFile(keeper.File())
		if err != nil {
			t.Fatal(err)
		}
		// Close keeps the content of what is smaller than 64 KiB
		var uses []proctest.Use
		for _, capacity := range []int{256, 1 << 14} {
			for _, o := range []Options{overwriting, {}, {Writers: Many}} {
				uses = append(uses, broadcastUses(t, seg, capacity, o)...)
			}
			for kind := range leftQueues {
				uses = append(uses, leaveUses(t, seg, kind, capacity)...)
			}
		}
		proctest.Leave(t, 8, shm.ErrClosed, func() error {
			err := seg.Close()
			if errors.As(err, new(*shm.HeldError)) { // the machine is busy
				return nil
			}
			return err
		}, uses...)
		if t.Failed() {
			return
		}
	}
}

// leaves is how often a test leaves.
func leaves() int {
	switch {
	case long:
		return 2000
	case testing.Short():
		return 20
	}
	return 100
}
