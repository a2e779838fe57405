package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A queueAPI is what all queues that hold messages until they are taken have in common, for
// messages that are numbers.
type queueAPI struct {
	tryPut func(int64) error
	put    func(context.Context, int64) error
	tryGet func() (int64, error)
	get    func(context.Context) (int64, error)
	// reserve returns how to commit, with a value, and how to abort. It is nil for an Objects.
	reserve func(context.Context) (commit func(int64) error, abort func() error, err error)
	// peek returns what it sees, and how to release it. It is nil for an Objects.
	peek       func(context.Context) (v int64, release func() error, err error)
	putBatch   func(context.Context, []int64) (int, error)
	getBatch   func(context.Context, int) ([]int64, error)
	len        func() int
	close      func() error
	reopen     func() error
	taskDone   func() error                // nil for an SPSC
	join       func(context.Context) error // nil for an SPSC
	gets, puts func() shmsync.Source
	marshal    func() ([]byte, error)
	stats      func() Stats
	usedEvents func() bool // a waiter has slept
}

// queueAPIs makes a queue of each kind with room for 2 numbers, which begins just below the
// wrap-around.
var queueAPIs = map[string]func(t *testing.T, seg *shm.Segment, name string, o Options) queueAPI{
	"Queue": func(t *testing.T, seg *shm.Segment, name string, o Options) queueAPI {
		q, err := NewQueue[int64](seg, name, 2, o.startingAt(beforeLapWrap(2)))
		wantErr(t, err, nil)
		return queueOf(q)
	},
	"SPSC": func(t *testing.T, seg *shm.Segment, name string, o Options) queueAPI {
		q, err := NewSPSC[int64](seg, name, 2, o.startingAt(^uint64(0)-1))
		wantErr(t, err, nil)
		return spscOf(q)
	},
	"Bytes": func(t *testing.T, seg *shm.Segment, name string, o Options) queueAPI {
		// a ring of 64 bytes: 2 records of 24, and a gap
		b, err := NewBytes(seg, name, 40, o.startingAt(^uint64(0)-63))
		wantErr(t, err, nil)
		return bytesAPI(b)
	},
	"Objects": func(t *testing.T, seg *shm.Segment, name string, o Options) queueAPI {
		q, err := NewObjects[int64](seg, name, 40, o.startingAt(^uint64(0)-63))
		wantErr(t, err, nil)
		return objectsAPI(q)
	},
}

func queueOf(q *Queue[int64]) queueAPI {
	f := valuesAPI(q.Reserve, q.Peek, q.GetBatch)
	f.tryPut, f.put, f.tryGet, f.get, f.putBatch = q.TryPut, q.Put, q.TryGet, q.Get, q.PutBatch
	f.len, f.close, f.reopen, f.stats = q.Len, q.Close, q.Reopen, q.Stats
	f.taskDone, f.join, f.gets, f.puts = q.TaskDone, q.Join, q.Gets, q.Puts
	f.marshal, f.usedEvents = q.MarshalBinary, q.usedEvents
	return f
}

func spscOf(q *SPSC[int64]) queueAPI {
	f := valuesAPI(q.Reserve, q.Peek, q.GetBatch)
	f.tryPut, f.put, f.tryGet, f.get, f.putBatch = q.TryPut, q.Put, q.TryGet, q.Get, q.PutBatch
	f.len, f.close, f.reopen, f.stats = q.Len, q.Close, q.Reopen, q.Stats
	f.gets, f.puts = q.Gets, q.Puts
	f.marshal, f.usedEvents = q.MarshalBinary, q.usedEvents
	return f
}

func objectsAPI(q *Objects[int64]) queueAPI {
	f := bytesAPI(&q.b)
	f.tryPut, f.put, f.tryGet, f.get, f.putBatch = q.TryPut, q.Put, q.TryGet, q.Get, q.PutBatch
	f.reserve, f.peek = nil, nil
	f.getBatch = func(ctx context.Context, size int) ([]int64, error) {
		vs := make([]int64, size)
		n, err := q.GetBatch(ctx, vs)
		return vs[:n], err
	}
	return f
}

// valuesAPI has what a queue of fixed size does without a copy, and in batches.
func valuesAPI(reserve func(context.Context) (Reservation[int64], error), peek func(context.Context) (Peeked[int64], error),
	getBatch func(context.Context, []int64) (int, error)) queueAPI {
	return queueAPI{
		reserve: func(ctx context.Context) (func(int64) error, func() error, error) {
			r, err := reserve(ctx)
			commit := func(v int64) error {
				if r.Value != nil {
					*r.Value = v
				}
				return r.Commit()
			}
			return commit, r.Abort, err
		},
		peek: func(ctx context.Context) (int64, func() error, error) {
			p, err := peek(ctx)
			if err != nil {
				return 0, nil, err
			}
			return *p.Value, p.Release, nil
		},
		getBatch: func(ctx context.Context, size int) ([]int64, error) {
			vs := make([]int64, size)
			n, err := getBatch(ctx, vs)
			return vs[:n], err
		},
	}
}

func number(m []byte, err error) (int64, error) {
	if err == nil && len(m) != 8 {
		err = fmt.Errorf("a message of %d bytes", len(m))
	}
	if err != nil {
		return 0, err
	}
	return int64(binary.NativeEndian.Uint64(m)), nil
}

func message(v int64) []byte { return binary.NativeEndian.AppendUint64(nil, uint64(v)) }

func bytesAPI(b *Bytes) queueAPI {
	return queueAPI{
		tryPut: func(v int64) error { return b.TryPut(message(v)) },
		put:    func(ctx context.Context, v int64) error { return b.Put(ctx, message(v)) },
		tryGet: func() (int64, error) { return number(b.TryGet()) },
		get:    func(ctx context.Context) (int64, error) { return number(b.Get(ctx)) },
		reserve: func(ctx context.Context) (func(int64) error, func() error, error) {
			r, err := b.Reserve(ctx, 8)
			return func(v int64) error { copy(r.Value, message(v)); return r.Commit() }, r.Abort, err
		},
		peek: func(ctx context.Context) (int64, func() error, error) {
			p, err := b.Peek(ctx)
			v, err := number(p.Value, err)
			return v, p.Release, err
		},
		putBatch: func(ctx context.Context, vs []int64) (int, error) {
			var ms [][]byte
			for _, v := range vs {
				ms = append(ms, message(v))
			}
			return b.PutBatch(ctx, ms)
		},
		getBatch: func(ctx context.Context, size int) (vs []int64, err error) {
			ms := make([][]byte, size)
			n, err := b.GetBatch(ctx, ms)
			for _, m := range ms[:n] {
				v, err := number(m, nil)
				if err != nil {
					return vs, err
				}
				vs = append(vs, v)
			}
			return vs, err
		},
		len: b.Len, close: b.Close, reopen: b.Reopen, stats: b.Stats,
		taskDone: b.TaskDone, join: b.Join, gets: b.Gets, puts: b.Puts, marshal: b.MarshalBinary,
		usedEvents: b.usedEvents,
	}
}
