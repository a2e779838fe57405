package pool

import (
	"iter"
	"runtime"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/task"
)

// A feeder reads the arguments of a call of IMap in a goroutine of its own, since an iterator is
// code of the user: it may take long, or wait for a result of the same call. It reads no more of
// them than it is allowed to.
//
// An argument is encoded before its yield returns, so that the iterator may use its memory again.
type feeder[A any] struct {
	encode func(*A) ([]byte, error)
	wake   func() // tells the call that it should look

	mu sync.Mutex
	// the iterator's goroutine waits: for a higher limit, or until its last argument was taken
	proceed    sync.Cond
	limit      int  // how many arguments may be read
	read       int  // how many were
	lent       bool // the last one still lies in memory of the iterator
	wakeOnNext bool // the call wants to be woken
	stopped    bool
	items      []fed
	copied     []byte // arguments that were copied
	end        *feedEnd
	ended      chan struct{}

	// Of the call alone.
	taken  []fed
	at     int
	memory []byte // copies of the arguments that were taken
}

// A fed is one argument.
type fed struct {
	isNil    bool   // it is a nil slice
	from, to int    // place in the copies
	lent     []byte // or it lies here
	err      error  // why the argument cannot be sent
}

// A feedEnd says how an iterator has ended.
type feedEnd struct {
	err      error // the last that it yielded
	panicked any
	goexit   bool // the iterator has ended its goroutine
}

// lentFrom is the size from which an argument is not copied, but the iterator waits until it was
// taken.
const lentFrom = 4 << 10

// lingerPause is how often a call that waits for its iterator looks.
const lingerPause = 50 * time.Microsecond

// stopPatience is how long a call waits for its iterator when it ends.
const stopPatience = 100 * time.Millisecond

func newFeeder[A any](args iter.Seq2[A, error], encode func(*A) ([]byte, error), wake func()) *feeder[A] {
	f := &feeder[A]{encode: encode, wake: wake, ended: make(chan struct{})}
	f.proceed.L = &f.mu
	go f.iterate(args)
	return f
}

// iterate is the goroutine of the iterator.
func (f *feeder[A]) iterate(args iter.Seq2[A, error]) {
	end := feedEnd{goexit: true}
	defer func() {
		if v := recover(); v != nil {
			end.panicked, end.goexit = v, false
		}
		f.mu.Lock()
		f.end = &end
		f.mu.Unlock()
		close(f.ended)
		f.wake()
	}()
	if f.allowed() {
		for a, err := range args {
			if end.err = err; err != nil || !f.put(&a) {
				break
			}
		}
	}
	end.goexit = false
}

// allowed waits until another argument may be read. It reports false when none is wanted any more.
func (f *feeder[A]) allowed() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	for !f.stopped && (f.read >= f.limit || f.lent) {
		f.proceed.Wait()
	}
	return !f.stopped
}

// put passes on an argument. It reports false when no other is wanted.
func (f *feeder[A]) put(a *A) bool {
	b, err := f.encode(a)
	f.mu.Lock()
	item := fed{err: err}
	switch {
	case err != nil:
	case b == nil:
		item.isNil = true
	case len(b) < lentFrom:
		item.from = len(f.copied)
		f.copied = append(f.copied, b...)
		item.to = len(f.copied)
	default:
		item.lent, f.lent = b, true
	}
	f.items = append(f.items, item)
	f.read++
	wake := f.wakeOnNext
	f.wakeOnNext = false
	f.mu.Unlock()
	if wake {
		f.wake()
	}
	return f.allowed()
}

// allow lets the iterator yield that many arguments in all. It is told of small steps only when the
// call needs input.
func (f *feeder[A]) allow(limit, step int, needsInput bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if limit > f.limit && (needsInput || limit-f.read >= step) {
		f.limit = limit
		f.proceed.Signal()
	}
}

// some is none: the iterator may use the memory of its arguments again.
func (f *feeder[A]) some(int, [][]byte) (task.Content, int) { return task.Content{}, 0 }

// next is the next argument, valid until the next call. When there is none yet, which need not be
// the end, it waits as long as it is told, and then the call is woken for the next one if it
// needs input.
//
// It panics, or ends the goroutine, as the iterator did.
func (f *feeder[A]) next(patience time.Duration, needsInput bool) (b []byte, there bool, end *feedEnd, err error) {
	if f.at == len(f.taken) && !f.fetch(false) {
		if f.linger(patience); !f.fetch(needsInput) {
			return nil, false, f.over(), nil
		}
	}
	item := f.taken[f.at]
	f.at++
	switch {
	case item.lent != nil:
		return item.lent, true, nil, nil
	case item.isNil:
		return nil, true, nil, nil
	case item.from == item.to: // not nil, although there may be no memory
		return []byte{}, true, nil, item.err
	}
	return f.memory[item.from:item.to:item.to], true, nil, item.err
}

// fetch takes all arguments that were read. The caller is done with the arguments of the fetch
// before: their memory is reused.
func (f *feeder[A]) fetch(needsInput bool) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.lent && len(f.items) == 0 {
		f.lent = false
		f.proceed.Signal()
	}
	if len(f.items) == 0 {
		f.wakeOnNext = needsInput
		return false
	}
	f.taken, f.items, f.at = f.items, f.taken[:0], 0
	f.memory, f.copied = f.copied, f.memory[:0]
	return true
}

// linger lets the iterator run, which costs less than to be woken by it, and waits for an argument
// as long as it is told.
func (f *feeder[A]) linger(patience time.Duration) {
	runtime.Gosched()
	// the iterator is code of the user
	for end := time.Now().Add(patience); patience > 0 && time.Now().Before(end); time.Sleep(lingerPause) {
		f.mu.Lock()
		there := len(f.items) > 0 || f.end != nil
		f.mu.Unlock()
		if there {
			return
		}
	}
}

// over says how the iterator has ended, nil when it has not.
func (f *feeder[A]) over() *feedEnd {
	f.mu.Lock()
	end := f.end
	if len(f.items) > 0 {
		end = nil
	}
	f.mu.Unlock()
	if end != nil {
		end.passOn()
	}
	return end
}

// passOn does what the iterator did.
func (e *feedEnd) passOn() {
	switch {
	case e.panicked != nil:
		panic(e.panicked)
	case e.goexit:
		runtime.Goexit()
	}
}

// stop ends the iterator. One that is busy is left alone after a moment; it ends when it yields.
func (f *feeder[A]) stop() *feedEnd {
	f.mu.Lock()
	f.stopped = true
	f.proceed.Signal()
	f.mu.Unlock()
	patience := time.NewTimer(stopPatience)
	defer patience.Stop()
	select {
	case <-f.ended:
		return f.end
	case <-patience.C:
		return nil
	}
}
