package cluster

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A Lease names one program of all at a time, such as the one that does a job of the night. It is
// not a lock. A holder that is stopped, or cut off, for longer than the time to live has lost the
// lease, and finds out only later: for a while two programs may act as holders. What they write to
// must compare their tokens, and refuse a token that is lower than one it has seen.
type Lease struct {
	b    *bucket
	name string
	ttl  time.Duration
}

// NewLease finds the lease of that name, or makes it. ttl, at least 1 s and in whole seconds, is
// how long the lease outlives a holder that has died.
//
// Errors: a bad name; a bad ttl; a server that cannot be reached before ctx ends.
func NewLease(ctx context.Context, c *Cluster, name string, ttl time.Duration) (*Lease, error) {
	if err := checkName("lease", name); err != nil {
		return nil, err
	}
	if ttl < time.Second || ttl%time.Second != 0 {
		return nil, fmt.Errorf("cluster: lease %q: a time to live of %v: it lasts whole seconds, at least one", name, ttl)
	}
	b, err := openBucket(ctx, c, "leases", func(s *jetstream.StreamConfig) { s.AllowMsgTTL = true })
	if err != nil {
		return nil, err
	}
	return &Lease{b, name, ttl}, nil
}

// A Hold is a lease that this program has.
type Hold struct {
	l       *Lease
	token   uint64
	lost    chan struct{}
	end     context.CancelFunc
	done    chan struct{}
	release sync.Once

	mu       sync.Mutex
	revision uint64
}

// released is what a lease holds that no program has.
const released = "released"

// Acquire waits until this program has the lease, or ctx ends. The hold is renewed in the
// background until [Hold.Release].
//
// Errors: the cause of the end of ctx.
func (l *Lease) Acquire(ctx context.Context) (*Hold, error) {
	for {
		asked := time.Now()
		revision, err := l.try(ctx)
		if err == nil {
			return l.hold(revision, asked), nil
		}
		if ctx.Err() != nil || !errors.Is(err, errChanged) && !passes(err) {
			return nil, fmt.Errorf("cluster: lease %q: acquire: %w", l.name, err)
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("cluster: lease %q: acquire: %w", l.name, context.Cause(ctx))
		case <-time.After(min(l.ttl/4, retryPause*5)):
		}
	}
}

// try takes the lease if no program has it.
func (l *Lease) try(ctx context.Context) (revision uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	m, err := l.b.get(ctx, l.name)
	switch {
	case err != nil:
		return 0, err
	case m == nil:
	case string(m.Data) == released:
		revision = m.Sequence
	default:
		return 0, errChanged
	}
	return l.write(ctx, "held", revision)
}

// write stores a state of the lease, which goes by itself after the time to live.
func (l *Lease) write(ctx context.Context, state string, expect uint64) (uint64, error) {
	header := nats.Header{}
	header.Set("Nats-TTL", strconv.Itoa(int(l.ttl/time.Second)))
	revision, _, err := l.b.put(ctx, l.name, []byte(state), &expect, header)
	return revision, err
}

// hold is the hold of a lease that was asked for at a time.
func (l *Lease) hold(revision uint64, asked time.Time) *Hold {
	h := &Hold{l: l, token: revision, revision: revision, lost: make(chan struct{}), done: make(chan struct{})}
	ctx, cancel := context.WithCancel(context.Background())
	h.end = cancel
	go h.renew(ctx, asked)
	return h
}

// renew renews the lease until it is released, or lost.
func (h *Hold) renew(ctx context.Context, renewed time.Time) {
	defer close(h.done)
	t := time.NewTicker(h.l.ttl / 4)
	defer t.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.C:
		}
		asked := time.Now()
		try, cancel := context.WithDeadline(ctx, renewed.Add(h.l.ttl))
		revision, err := h.l.write(try, "held", h.revision)
		cancel()
		switch {
		case err == nil:
			h.mu.Lock()
			h.revision = revision
			h.mu.Unlock()
			renewed = asked
		case ctx.Err() != nil:
			return
		case errors.Is(err, errChanged) || time.Since(renewed) >= h.l.ttl:
			close(h.lost)
			return
		}
	}
}

// Token is the number of this hold: it is higher than that of each hold of the lease before it.
func (h *Hold) Token() uint64 { return h.token }

// Lost is closed when this program has lost the lease, as far as it can know.
func (h *Hold) Lost() <-chan struct{} { return h.lost }

// Release gives the lease back, if this program still has it. It may be called again.
//
// Errors: a server that cannot be reached before ctx ends; then the lease ends with its time to
// live.
func (h *Hold) Release(ctx context.Context) (err error) {
	h.release.Do(func() {
		h.end()
		<-h.done
		select {
		case <-h.lost:
			return
		default:
		}
		if _, err = h.l.write(ctx, released, h.revision); errors.Is(err, errChanged) {
			err = nil
		}
		if err != nil {
			err = fmt.Errorf("cluster: lease %q: release: %w", h.l.name, err)
		}
	})
	return err
}
