package parent

import (
	"context"

	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/internal/tasktable"
)

// Restart replaces all workers, one after another, and waits for that. When ctx ends before, the
// worker that was asked to end still does, and the others stay.
//
// Errors: the cause of the end of ctx; [task.ErrClosed]; why the pool has ended.
func (p *Pool) Restart(ctx context.Context) error {
	if p.bridge != nil {
		return p.bridge.restart(ctx)
	}
	select {
	case p.restarting <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-p.restarting }()
	for number := 0; ; number++ {
		// A worker that is being started may have read already what the restart is for.
		if launched := p.launched(number); launched != nil {
			if err := p.until(ctx, launched); err != nil {
				return err
			}
		}
		renewed, more, err := p.renew(number)
		if err != nil || !more {
			return err
		}
		if renewed == nil {
			continue
		}
		if err := p.until(ctx, renewed); err != nil {
			return err
		}
	}
}

// launched is closed when the worker of that number, which is being started, has been; nil if none
// is.
func (p *Pool) launched(number int) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	if number >= len(p.workers.children) {
		return nil
	}
	return p.workers.children[number].launched
}

// renew asks the worker of that number to end and be replaced. The channel is closed when the new
// one takes tasks, or when there will be none; it is nil when there is no worker to replace.
func (p *Pool) renew(number int) (renewed <-chan struct{}, more bool, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch {
	case p.alive.Err() != nil:
		return nil, false, context.Cause(p.alive)
	case p.closing:
		return nil, false, task.ErrClosed
	case number >= len(p.workers.children):
		return nil, false, nil
	}
	c := p.workers.children[number]
	if c.host == nil || c.retire || c.gone {
		return nil, true, nil
	}
	if c.renewed == nil {
		c.renewed, c.renewing = make(chan struct{}), c.host
		c.record.Order.Or(tasktable.OrderRetire)
		c.ring()
	}
	return c.renewed, true, nil
}

// endRenewal notes, under Pool.mu, that the worker has been replaced, or will not be.
func (c *supervisor) endRenewal() {
	if c.renewed != nil {
		close(c.renewed)
		c.renewed, c.renewing = nil, nil
	}
}
