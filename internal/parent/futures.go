package parent

import (
	"context"
	"sync"
)

// A Settler is a future with a result in a slot.
type Settler interface {
	// Settle takes the result. It reports true when the task runs again.
	Settle(i uint32) (again bool)

	// Fail is the end without a result.
	Fail(err error)

	// Last is called before Fail when the pool has ended, under its lock: from then on the slot may
	// be freed.
	Last()
}

// Futures waits for the results of all futures of ApplyAsync of a pool, and calls callbacks.
type Futures struct {
	p *Pool

	mu      sync.Mutex
	busy    int       // its goroutines, and those of MapAsync
	idle    sync.Cond // busy is 0; of mu
	w       *Waiter   // the waiter of all futures
	Scratch []byte    // memory of the goroutine that settles the futures
	open    int       // futures without a result
	waiting bool      // a goroutine waits for them
	queue   []func()  // callbacks
	calling bool      // a goroutine calls them
}

// Enter counts a goroutine, for which the end of the pool waits, until Leave.
func (f *Futures) Enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.enter()
}

// enter is [Futures.Enter] under mu.
func (f *Futures) enter() { f.busy++ }

// Leave is the end of a goroutine that was counted.
func (f *Futures) Leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy--; f.busy == 0 {
		f.idle.Broadcast()
	}
}

// rest waits until no goroutine is left.
func (f *Futures) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.busy > 0 {
		f.idle.Wait()
	}
}

// Begin counts a future, and makes sure that a goroutine waits for it.
func (f *Futures) Begin() *Waiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.w == nil {
		f.w = NewWaiter()
	}
	if f.open++; !f.waiting {
		f.waiting = true
		f.enter()
		go f.wait()
	}
	return f.w
}

// Finished counts futures that have ended. After the last one no goroutine needs to wait.
func (f *Futures) Finished(n int) {
	f.mu.Lock()
	f.open -= n
	over := f.open == 0
	f.mu.Unlock()
	if over {
		f.w.signal()
		f.p.wakeLeader()
	}
}

// over says that there is no future to wait for; then the next one starts another goroutine.
func (f *Futures) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = f.open > 0
	return !f.waiting
}

// wait settles futures as their results come, as long as there are any.
func (f *Futures) wait() {
	defer f.Leave()
	for !f.over() {
		if err := f.p.Await(context.Background(), f.w); err != nil {
			f.fail(err)
			return
		}
		f.settle()
	}
}

// settle settles the futures that have results.
func (f *Futures) settle() {
	n := 0
	for _, i := range f.p.Collected(f.w) {
		if !f.p.calls[i].future.Settle(i) {
			f.p.Release(i)
			n++
		}
	}
	f.mu.Lock()
	f.open -= n
	f.mu.Unlock()
}

// fail ends all futures with an error. The pool has ended, so that no more come.
func (f *Futures) fail(err error) {
	f.settle() // the results that came before
	var all []Settler
	f.p.mu.Lock()
	f.w.ready = f.w.ready[:0]
	for i := range f.p.calls {
		if c := &f.p.calls[i]; c.out && c.future != nil {
			all = append(all, c.future)
			c.future.Last()
			c.forget()
		}
	}
	f.p.mu.Unlock()
	for _, s := range all {
		s.Fail(err)
	}
	f.mu.Lock()
	f.open, f.waiting = 0, false
	f.mu.Unlock()
}

// Bind ends a future when ctx does, unless it has ended before.
func (f *Futures) Bind(ctx context.Context, t *Tether, i uint32, s Settler) {
	if ctx.Done() != nil {
		t.Tie(context.AfterFunc(ctx, func() { f.cut(ctx, i, s) }))
	}
}

// A Tether is what binds a future to a context. The zero value binds it to none.
type Tether struct {
	mu     sync.Mutex
	detach func() bool
	over   bool
}

// Tie has detach called at the end of the future.
func (t *Tether) Tie(detach func() bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.detach = detach; t.over {
		detach()
	}
}

// Loose detaches the future, which has ended, from its context.
func (t *Tether) Loose() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over = true; t.detach != nil {
		t.detach()
	}
}

// Last does nothing.
func (t *Tether) Last() {}

// cut ends a future because of its context.
func (f *Futures) cut(ctx context.Context, i uint32, s Settler) {
	if f.Drop(i, s) {
		s.Fail(context.Cause(ctx))
		f.Finished(1)
	}
}

// Drop lets go of the task of a future, as [Pool.Cancel] does, and reports false when its result
// has come: then Settle is called. Otherwise the caller must call Finished.
func (f *Futures) Drop(i uint32, s Settler) bool {
	f.p.mu.Lock()
	c := &f.p.calls[i]
	if !c.live || c.future != s {
		f.p.mu.Unlock()
		return false
	}
	serial := c.forget()
	f.p.mu.Unlock()
	f.p.interrupt(i, serial)
	return true
}

// CallBack queues a callback.
func (f *Futures) CallBack(callback func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queue = append(f.queue, callback)
	if !f.calling {
		f.calling = true
		f.enter()
		go f.callAll()
	}
}

// callAll calls callbacks as long as there are any.
func (f *Futures) callAll() {
	defer f.Leave()
	for {
		f.mu.Lock()
		if len(f.queue) == 0 {
			f.calling = false
			f.mu.Unlock()
			return
		}
		callback := f.queue[0]
		f.queue = f.queue[1:]
		f.mu.Unlock()
		callback()
	}
}
