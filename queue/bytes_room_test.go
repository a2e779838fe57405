package queue

import (
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/shm"
)

// Room does not mix two instants, however fast messages come and go while it looks.
func TestRoomWhileMessagesMove(t *testing.T) {
	b, err := NewBytes(newSegment(t, shm.Options{}), "b", 1<<16, Options{})
	if err != nil {
		t.Fatal(err)
	}
	var over atomic.Bool
	moved := make(chan struct{})
	go func() {
		defer close(moved)
		for !over.Load() {
			// one at a time, so that nothing else is in the queue
			err := b.Put(background, make([]byte, 100))
			if err == nil {
				_, err = b.Get(background)
			}
			if err != nil {
				t.Error(err)
				return
			}
		}
	}()
	least := b.Cap()
	for range 100_000 {
		least = min(least, b.Room())
	}
	over.Store(true)
	<-moved
	// a message, and the gap at the end of the ring
	if least < b.Cap()/2 {
		t.Errorf("room for %d bytes of %d", least, b.Cap())
	}
}
