//go:build linux

package bench

import (
	"context"
	"fmt"
	"io"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/queue/pipe"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// linkers by the name of the kind in a row, or of the implementation for peers of the toolkit.
var linkers = map[string]linker{
	"spsc":  linkFixed(queueLinker{openSPSC[[8]uint64], openSPSC[[128]uint64], openSPSC[[8192]uint64], openSPSC[[131072]uint64]}),
	"queue": linkFixed(queueLinker{openQueue[[8]uint64], openQueue[[128]uint64], openQueue[[8192]uint64], openQueue[[131072]uint64]}),
	"bytes": linkBytes(linkBySize),
	// The same with Reserve and Peek for messages of any length.
	"spsc-inplace": linkFixed(queueLinker{
		openSPSCInPlace[[8]uint64], openSPSCInPlace[[128]uint64], openSPSCInPlace[[8192]uint64], openSPSCInPlace[[131072]uint64],
	}),
	"bytes-inplace": linkBytes(linkPlaces),
	"pipe":          linkPipe,
	"unix-socket":   linkConn(openSocket),
	"os-pipe":       linkConn(openFIFOs),
}

// conversationSlots is how many messages there is room for, if they are not very long.
const conversationSlots = 16

// queueLinker opens a queue of each of the payloads.
type queueLinker [4]func(seg *shm.Segment, name string, policy shmsync.WaitPolicy) (link, error)

// linkFixed links by two queues of messages of a fixed size.
func linkFixed(open queueLinker) linker {
	return func(seg *shm.Segment, l *lane, size int, policy shmsync.WaitPolicy) (link, error) {
		for i, p := range payloads {
			if p.bytes == size {
				return linkBoth(l, func(name string) (link, error) { return open[i](seg, name, policy) })
			}
		}
		return link{}, fmt.Errorf("no messages of %d bytes", size)
	}
}

// linkBoth opens two queues, one for each direction.
func linkBoth(l *lane, open func(name string) (link, error)) (k link, err error) {
	there, err := open("there")
	if err != nil {
		return k, err
	}
	back, err := open("back")
	if l.number == 1 {
		there, back = back, there
	}
	return link{there.send, back.receive}, err
}

// A fixed is a queue of messages of a fixed size.
type fixed[T any] interface {
	Reserve(context.Context) (queue.Reservation[T], error)
	Peek(context.Context) (queue.Peeked[T], error)
}

// openSPSC calls the queue's methods itself for short messages, as a program does: through an
// interface a message is copied once more.
func openSPSC[T message](seg *shm.Segment, name string, policy shmsync.WaitPolicy) (link, error) {
	q, err := queue.NewSPSC[T](seg, name, conversationSlots, queue.Options{Wait: policy})
	m := new(T)
	if len(*m) >= inPlaceWords {
		return linkInPlace[T](q), err
	}
	return link{
		send: func(number uint64) error {
			writeWords(m, number)
			return q.Put(background, *m)
		},
		receive: func() (uint64, error) {
			got, err := q.Get(background)
			if err != nil {
				return 0, err
			}
			return readWords(&got)
		},
	}, err
}

func openSPSCInPlace[T message](seg *shm.Segment, name string, policy shmsync.WaitPolicy) (link, error) {
	q, err := queue.NewSPSC[T](seg, name, conversationSlots, queue.Options{Wait: policy})
	return linkInPlace[T](q), err
}

// openQueue calls the queue's methods itself for short messages, as openSPSC does.
func openQueue[T message](seg *shm.Segment, name string, policy shmsync.WaitPolicy) (link, error) {
	q, err := queue.NewQueue[T](seg, name, conversationSlots, queue.Options{Wait: policy})
	m := new(T)
	if len(*m) >= inPlaceWords {
		return linkInPlace[T](q), err
	}
	return link{
		send: func(number uint64) error {
			writeWords(m, number)
			return q.Put(background, *m)
		},
		receive: func() (uint64, error) {
			got, err := q.Get(background)
			if err != nil {
				return 0, err
			}
			return readWords(&got)
		},
	}, err
}

// inPlaceWords is the length in words from which on messages are written and read in place.
const inPlaceWords = 8192

func linkInPlace[T message](q fixed[T]) link {
	return link{
		send: func(number uint64) error {
			place, err := q.Reserve(background)
			if err != nil {
				return err
			}
			writeWords(place.Value, number)
			return place.Commit()
		},
		receive: func() (uint64, error) {
			place, err := q.Peek(background)
			if err != nil {
				return 0, err
			}
			number, err := readWords(place.Value)
			if err != nil {
				return 0, err
			}
			return number, place.Release()
		},
	}
}

// linkBytes links by two queues of messages of any length. use is how a process uses its ends.
func linkBytes(use func(q *queue.Bytes, size int) link) linker {
	return func(seg *shm.Segment, l *lane, size int, policy shmsync.WaitPolicy) (link, error) {
		return linkBoth(l, func(name string) (link, error) {
			q, err := queue.NewBytes(seg, name, min(size*conversationSlots, 8<<20), queue.Options{Wait: policy})
			return use(q, size), err
		})
	}
}

// linkBySize has long messages written and read in place.
func linkBySize(q *queue.Bytes, size int) link {
	if size >= 64<<10 {
		return linkPlaces(q, size)
	}
	return linkCopies(q, size)
}

func linkCopies(q *queue.Bytes, size int) link {
	ctx := context.Background()
	out, in := make([]byte, size), make([]byte, size)
	return link{
		send: func(number uint64) error {
			writeBytes(out, number)
			return q.Put(ctx, out)
		},
		receive: func() (uint64, error) {
			b, err := q.AppendGet(ctx, in[:0])
			if err != nil {
				return 0, err
			}
			return readBytes(b, size)
		},
	}
}

func linkPlaces(q *queue.Bytes, size int) link {
	ctx := context.Background()
	return link{
		send: func(number uint64) error {
			place, err := q.Reserve(ctx, size)
			if err != nil {
				return err
			}
			writeBytes(place.Value, number)
			return place.Commit()
		},
		receive: func() (uint64, error) {
			place, err := q.Peek(ctx)
			if err != nil {
				return 0, err
			}
			number, err := readBytes(place.Value, size)
			if err != nil {
				return 0, err
			}
			return number, place.Release()
		},
	}
}

func linkPipe(seg *shm.Segment, l *lane, size int, policy shmsync.WaitPolicy) (link, error) {
	if l.number == noProcess {
		return link{}, nil
	}
	c, err := openPipe(seg, l, policy)
	return linkStream(c, c, size), err
}

// openPipe takes the end of the process.
func openPipe(seg *shm.Segment, l *lane, policy shmsync.WaitPolicy) (c *pipe.Conn, err error) {
	o := pipe.Options{Wait: policy}
	if l.number == 0 {
		return pipe.New(seg, "pipe", o)
	}
	err = retry(func() error {
		c, err = pipe.Open(seg, "pipe", o)
		return err
	})
	return c, err
}

// linkStream sends to w and receives from r.
func linkStream(w io.Writer, r io.Reader, size int) link {
	out, in := make([]byte, size), make([]byte, size)
	return link{
		send: func(number uint64) error {
			writeBytes(out, number)
			_, err := w.Write(out)
			return err
		},
		receive: func() (uint64, error) {
			if _, err := io.ReadFull(r, in); err != nil {
				return 0, err
			}
			return readBytes(in, size)
		},
	}
}
