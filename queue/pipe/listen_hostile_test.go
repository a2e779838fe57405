package pipe

import (
	"context"
	"encoding/binary"
	"errors"
	"math"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// Offers with impossible numbers, of dead processes, of objects that are no pipes, or of the same
// pipe twice, delay no dialer.
func TestListenHostileOffers(t *testing.T) {
	l, path := newListener(t, ListenOptions{Buffer: 64})
	owned := l.(*listener)
	seg := owned.a.seg
	me := uint64(segment.Of(seg).Me())

	broken := offer{me, 1 << 40}
	p, err := New(seg, broken.name(), Options{Buffer: 64})
	wantErr(t, err, nil)
	defer p.Close()
	taken := offer{me, 1<<40 + 1}
	other, err := New(seg, taken.name(), Options{Buffer: 64})
	wantErr(t, err, nil)
	defer other.Close()
	_, err = queue.NewQueue[int64](seg, offer{me, 1<<40 + 2}.name(), 1, queue.Options{})
	wantErr(t, err, nil)
	p.p.head.ends[1].Store(math.MaxUint32)
	other.p.head.ends[1].Store(uint32(me))
	for _, of := range []offer{
		{}, {math.MaxUint64, math.MaxUint64}, {0, 7}, {me, 0}, {me + 1<<20, 1}, {1 << 63, 1}, broken, broken, taken, {me, 1<<40 + 2},
	} {
		wantErr(t, owned.backlog.TryPut(of), nil)
	}
	go serveEcho(l)
	echoes(t, dial(t, path), "behind all of these")
	owned.sweep()
	for name, kind := range seg.Objects() {
		if name == broken.name() || name == taken.name() {
			t.Errorf("%s, a %s, still has a name", name, kind)
		}
	}
}

// A listener's words that make no sense are found out, or mean that there is no listener. The
// listener itself goes on, or ends.
func TestListenHostileWords(t *testing.T) {
	for _, off := range []int{0, 8, 16, 24} {
		for _, word := range []uint64{0, 1, 63, 1 << 30, 1<<30 + 1, 1 << 31, 1<<32 - 1, 1 << 63, math.MaxUint64, 0x5555555555555555} {
			l, path := newListener(t, ListenOptions{Buffer: 64})
			binary.NativeEndian.PutUint64(l.(*listener).reg.o.Payload[off:], word)
			//clock: with such words a dial may wait for ever
			ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
			accepted := make(chan error, 1)
			go func() {
				c, err := l.Accept()
				if err == nil {
					err = c.Close()
				}
				accepted <- err
			}()
			c, err := Dial(ctx, path, DialOptions{})
			cancel()
			switch noSpace := new(shm.NoSpaceError); {
			case err == nil:
				c.Close()
			case errors.As(err, &noSpace): // the words ask for buffers as large as can be
			case !errors.Is(err, shm.ErrCorrupt) && !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, context.DeadlineExceeded):
				t.Errorf("%x at %d: %v", word, off, err)
			}
			wantErr(t, l.Close(), nil)
			if err := <-accepted; err != nil && !errors.Is(err, net.ErrClosed) {
				t.Errorf("%x at %d: accept: %v", word, off, err)
			}
		}
	}
}
