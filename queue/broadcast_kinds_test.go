package queue

import (
	"context"
	"encoding/binary"
	"fmt"
	"strconv"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A castAPI is a broadcast of any kind that sends numbers.
type castAPI struct {
	put       func(ctx context.Context, v int64) error
	subscribe func(Start) (castReader, error)
	await     func(ctx context.Context, n int) error
	close     func() error
	reopen    func() error
	stats     func() Stats
}

// A castReader is a reader of any kind, which gets numbers.
type castReader struct {
	get   func(ctx context.Context) (int64, error)
	peek  func(ctx context.Context) (v int64, release func() error, err error)
	close func() error
}

// castKinds open, or make, the broadcast "b" of each kind. With make it has room for two messages,
// or for a few.
var castKinds = map[string]func(seg *shm.Segment, make bool, o Options) (castAPI, error){
	"fixed": func(seg *shm.Segment, make bool, o Options) (castAPI, error) {
		b, err := OpenBroadcast[int64](seg, "b", o)
		if make {
			b, err = NewBroadcast[int64](seg, "b", 2, o)
		}
		if err != nil {
			return castAPI{}, err
		}
		return castAPI{b.Put, func(from Start) (castReader, error) {
			r, err := b.Subscribe(from)
			if err != nil {
				return castReader{}, err
			}
			return castReader{r.Get, func(ctx context.Context) (int64, func() error, error) {
				p, err := r.Peek(ctx)
				if err != nil {
					return 0, nil, err
				}
				return *p.Value, p.Release, nil
			}, r.Close}, nil
		}, b.AwaitReaders, b.Close, b.Reopen, b.Stats}, nil
	},
	"bytes": func(seg *shm.Segment, make bool, o Options) (castAPI, error) {
		b, err := OpenBroadcastBytes(seg, "b", o)
		if make {
			b, err = NewBroadcastBytes(seg, "b", 512, o)
		}
		if err != nil {
			return castAPI{}, err
		}
		return castAPI{
			func(ctx context.Context, v int64) error { return b.Put(ctx, numbered(v)) },
			func(from Start) (castReader, error) {
				r, err := b.Subscribe(from)
				if err != nil {
					return castReader{}, err
				}
				return castReader{func(ctx context.Context) (int64, error) {
					m, err := r.Get(ctx)
					if err != nil {
						return 0, err
					}
					return numberOf(m)
				}, func(ctx context.Context) (int64, func() error, error) {
					p, err := r.Peek(ctx)
					if err != nil {
						return 0, nil, err
					}
					v, err := numberOf(p.Value)
					return v, p.Release, err
				}, r.Close}, nil
			}, b.AwaitReaders, b.Close, b.Reopen, b.Stats,
		}, nil
	},
}

// numbered is a message of any length for a number, which says where it is torn.
func numbered(v int64) []byte {
	m := binary.LittleEndian.AppendUint64(nil, uint64(v))
	for i := range v * 37 % 200 {
		m = append(m, byte(v+i))
	}
	return m
}

// numberOf is the number of a message.
func numberOf(m []byte) (int64, error) {
	if len(m) < 8 {
		return 0, fmt.Errorf("a message of %d bytes", len(m))
	}
	v := int64(binary.LittleEndian.Uint64(m))
	if string(m) != string(numbered(v)) {
		return 0, fmt.Errorf("message %d is torn: % x", v, m)
	}
	return v, nil
}

// eachCast runs a test on a broadcast of each kind, in a segment of its own that others can open,
// with one writer and with many.
func eachCast(t *testing.T, o Options, test func(t *testing.T, kind, path string, b castAPI, o Options)) {
	for kind, open := range castKinds {
		t.Run(kind, func(t *testing.T) {
			eachWriters(t, func(t *testing.T, w Options) {
				o.Writers = w.Writers
				path := proctest.Dir(t) + "/segment"
				seg, err := shm.Create(path, shm.Options{})
				wantErr(t, err, nil)
				t.Cleanup(func() { seg.Close() })
				b, err := open(seg, true, o.startingAt(^uint64(0)-63))
				wantErr(t, err, nil)
				test(t, kind, path, b, o)
			})
		})
	}
}

// openCast opens the broadcast of that kind in the segment, for roles.
func openCast(path, kind string, o Options) castAPI {
	seg, err := shm.Open(path)
	proctest.ExitOn(err)
	b, err := castKinds[kind](seg, false, o)
	proctest.ExitOn(err)
	return b
}

// roleCastReader subscribes to the broadcast of kind args[1] in the segment args[0], gets args[2]
// messages, each when it hears a line, and then does args[3], until it is killed.
var roleCastReader = proctest.Register("cast-reader", func(args []string) {
	b := openCast(args[0], args[1], Options{})
	r, err := b.subscribe(FromNewest)
	proctest.ExitOn(err)
	defer r.close() // the reader is reachable until the process is killed
	proctest.Say("subscribed")
	n, err := strconv.Atoi(args[2])
	proctest.ExitOn(err)
	for range n {
		proctest.Hear()
		v, err := r.get(background)
		proctest.ExitOn(err)
		proctest.Say("%d", v)
	}
	switch args[3] {
	case "look":
		v, release, err := r.peek(background)
		proctest.ExitOn(err)
		proctest.Say("%d", v)
		proctest.Hear()
		err = release()
		proctest.Say("%v", err)
	case "get":
		for {
			if _, err := r.get(background); err != nil {
				proctest.Say("%v", err)
				break
			}
		}
	}
	proctest.Forever()
})

// roleCastWriter puts 1, 2, 3 … into the broadcast of kind args[1] in the segment args[0], and
// keeps in "acked" which one was put last, until it is killed.
var roleCastWriter = proctest.Register("cast-writer", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := castKinds[args[1]](seg, false, Options{})
	proctest.ExitOn(err)
	acked, err := shm.OpenInt64(seg, "acked")
	proctest.ExitOn(err)
	proctest.Say("begins")
	for v := int64(1); ; v++ {
		proctest.ExitOn(b.put(background, v))
		acked.Store(v)
	}
})

// putOnce puts v from an attachment of its own, which gives up the role of the writer.
func putOnce(t testing.TB, path, kind string, v int64) {
	t.Helper()
	seg, err := shm.Open(path)
	wantErr(t, err, nil)
	b, err := castKinds[kind](seg, false, Options{})
	wantErr(t, err, nil)
	wantErr(t, b.put(background, v), nil)
	wantErr(t, seg.Close(), nil)
}
