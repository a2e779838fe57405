package pool

import (
	"context"
	"sync"
)

// futures waits for the results of all futures of ApplyAsync of a pool, and calls callbacks.
type futures struct {
	p *Pool

	mu      sync.Mutex
	busy    int       // its goroutines, and those of MapAsync
	idle    sync.Cond // busy is 0; of mu
	w       *waiter   // the waiter of all futures
	scratch []byte    // memory of the goroutine that settles the futures
	open    int       // futures without a result
	waiting bool      // a goroutine waits for them
	queue   []func()  // callbacks
	calling bool      // a goroutine calls them
}

// enter counts a goroutine, under mu, until leave.
func (f *futures) enter() { f.busy++ }

func (f *futures) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.busy--; f.busy == 0 {
		f.idle.Broadcast()
	}
}

// rest waits until no goroutine is left.
func (f *futures) rest() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.busy > 0 {
		f.idle.Wait()
	}
}

// begin counts a future, and makes sure that a goroutine waits for it.
func (f *futures) begin() *waiter {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.w == nil {
		f.w = newWaiter()
	}
	if f.open++; !f.waiting {
		f.waiting = true
		f.enter()
		go f.wait()
	}
	return f.w
}

// finished counts futures that have ended. After the last one no goroutine needs to wait.
func (f *futures) finished(n int) {
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
func (f *futures) over() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.waiting = f.open > 0
	return !f.waiting
}

// wait settles futures as their results come, as long as there are any.
func (f *futures) wait() {
	defer f.leave()
	for !f.over() {
		if err := f.p.await(context.Background(), f.w); err != nil {
			f.fail(err)
			return
		}
		f.settle()
	}
}

// settle settles the futures that have results.
func (f *futures) settle() {
	n := 0
	for _, i := range f.p.collected(f.w) {
		if !f.p.calls[i].future.settle(i) {
			f.p.release(i)
			n++
		}
	}
	f.mu.Lock()
	f.open -= n
	f.mu.Unlock()
}

// fail ends all futures with an error. The pool has ended, so that no more come.
func (f *futures) fail(err error) {
	f.settle() // the results that came before
	var all []settler
	f.p.mu.Lock()
	f.w.ready = f.w.ready[:0]
	for i := range f.p.calls {
		if c := &f.p.calls[i]; c.out && c.future != nil {
			all = append(all, c.future)
			c.forget()
		}
	}
	f.p.mu.Unlock()
	for _, s := range all {
		s.fail(err)
	}
	f.mu.Lock()
	f.open, f.waiting = 0, false
	f.mu.Unlock()
}

// cut ends a future because of its context.
func (f *futures) cut(ctx context.Context, i uint32, s settler) {
	f.p.mu.Lock()
	c := &f.p.calls[i]
	if !c.live || c.future != s { // its result has come
		f.p.mu.Unlock()
		return
	}
	serial := c.forget()
	f.p.mu.Unlock()
	f.p.interrupt(i, serial)
	s.fail(context.Cause(ctx))
	f.finished(1)
}

// call queues a callback.
func (f *futures) call(callback func()) {
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
func (f *futures) callAll() {
	defer f.leave()
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
