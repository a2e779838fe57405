package queue

import (
	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/ring"
)

// takePut makes this process the producer, and counts the messages that died with the last one.
//
// What a death leaves behind: messages that are not counted.
func (r *spsc) takePut() error {
	if err := r.TakeRole(&r.head.producer, "producer"); err != nil {
		return err
	}
	p := &r.put
	tail, read := r.head.tail.Load(), r.head.read.Load()
	lost := r.head.begun.Load() - tail
	if tail-read > r.capacity() || lost > r.capacity() {
		return r.Corrupt
	}
	if lost > 0 {
		ring.StoreRelease(&r.head.begun, tail)
		crashpoint.Here("spsc.forgotten")
		r.head.abandoned.Add(lost)
		r.get.Event.Notify() // a consumer that found the queue closed may wait for them
	}
	p.next, p.until, p.owned = tail, tail, true
	return nil
}

// takeGet makes this process the consumer. A message whose Get had not come to its end comes again.
func (r *spsc) takeGet() error {
	if err := r.TakeRole(&r.head.consumer, "consumer"); err != nil {
		return err
	}
	c := &r.get
	read, freed := r.head.read.Load(), r.head.freed.Load()
	if read-freed > r.capacity() {
		return r.Corrupt
	}
	c.next, c.until, c.given, c.owned = read, read, freed, true
	return nil
}
