package queue

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// ErrRoleTaken says that a living process is the producer, or the consumer, of a
// queue that has only one.
var ErrRoleTaken = errors.New("queue: the role is taken")

// take makes this process the one whose id is in the role's word.
//
// What a death leaves behind: a dead process in the role, which the next one takes over.
func (r *spsc) take(role *atomic.Uint32, name string) error {
	for {
		have := role.Load()
		owner := proctab.Owner(have & proctab.OwnerMask)
		switch {
		case have == uint32(r.me):
			return nil
		case have != 0 && !r.table.Dead(owner):
			who, _ := r.table.Info(owner)
			return fmt.Errorf("%w: %v is the %s: a queue of many is queue.Queue", ErrRoleTaken, who, name)
		}
		// SYNC: role: what the dead one wrote is visible, and it writes no more; see proctab.
		if role.CompareAndSwap(have, uint32(r.me)) {
			crashpoint.Here("spsc.role." + name)
			return nil
		}
	}
}

// takePut makes this process the producer, and counts the messages that died with the last one.
//
// What a death leaves behind: messages that are not counted.
func (r *spsc) takePut() error {
	if err := r.take(&r.head.producer, "producer"); err != nil {
		return err
	}
	p := &r.put
	tail, read := r.head.tail.Load(), r.head.read.Load()
	lost := r.head.begun.Load() - tail
	if tail-read > r.capacity() || lost > r.capacity() {
		return r.bad
	}
	if lost > 0 {
		storeRelease(&r.head.begun, tail)
		crashpoint.Here("spsc.forgotten")
		r.head.abandoned.Add(lost)
		r.get.event.Notify() // a consumer that found the queue closed may wait for them
	}
	p.next, p.until, p.owned = tail, tail, true
	return nil
}

// takeGet makes this process the consumer. A message whose Get had not come to its end comes again.
func (r *spsc) takeGet() error {
	if err := r.take(&r.head.consumer, "consumer"); err != nil {
		return err
	}
	c := &r.get
	read, freed := r.head.read.Load(), r.head.freed.Load()
	if read-freed > r.capacity() {
		return r.bad
	}
	c.next, c.until, c.given, c.owned = read, read, freed, true
	return nil
}
