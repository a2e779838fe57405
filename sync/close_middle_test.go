//go:build linux

package shmsync_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A room is what locks guard in the tests: one writer is inside, or any number of readers.
type room struct {
	inside  atomic.Int64 // readers, and writer for each writer
	crowded atomic.Int64 // how often a reader or writer has met one that must not be there
	died    atomic.Int64 // how often a lock said that its owner had died
}

const writer = 1 << 32

// write is what a writer does inside.
func (r *room) write() {
	if r.inside.Add(writer) != writer {
		r.crowded.Add(1)
	}
	r.inside.Add(-writer)
}

// read is what a reader does inside.
func (r *room) read() {
	if r.inside.Add(1) >= writer {
		r.crowded.Add(1)
	}
	r.inside.Add(-1)
}

// repair is that of the locks, which guard nothing in shared memory.
func (r *room) repair(*shmsync.OwnerDiedError) error {
	r.died.Add(1)
	return nil
}

// doors are the locks that let into a room, by name: visits go in, do what there is to do inside,
// and come out. They return the error with which the door stayed shut.
var doors = map[string]func(t *testing.T, seg *shm.Segment, r *room) (visits []func() error){
	"Mutex": func(t *testing.T, seg *shm.Segment, r *room) []func() error {
		m := newMutex(t, seg, "door")
		return []func() error{func() error {
			err := m.LockRepair(background, r.repair)
			if err == nil {
				r.write()
				m.Unlock()
			}
			return err
		}}
	},
	"RWMutex": func(t *testing.T, seg *shm.Segment, r *room) []func() error {
		m, err := shmsync.NewRWMutex(seg, "door", shmsync.RWMutexOptions{})
		wantErr(t, "make", err, nil)
		return []func() error{
			func() error {
				err := m.LockRepair(background, r.repair)
				if err == nil {
					r.write()
					m.Unlock()
				}
				return err
			},
			func() error {
				err := m.RLock(background)
				if err == nil {
					r.read()
					m.RUnlock()
				} else if errors.Is(err, shmsync.ErrOwnerDied) {
					r.died.Add(1)
					err = nil // a writer repairs it
				}
				return err
			},
		}
	},
	"Semaphore with Undo": func(t *testing.T, seg *shm.Segment, r *room) []func() error {
		s, err := shmsync.NewSemaphore(seg, "door", 1, shmsync.SemaphoreOptions{Undo: true})
		wantErr(t, "make", err, nil)
		return []func() error{func() error {
			err := s.Acquire(background, 1)
			if err == nil {
				r.write()
				err = s.Release(1)
			}
			return err
		}}
	},
	"Cond": func(t *testing.T, seg *shm.Segment, r *room) []func() error {
		m, c := newMutex(t, seg, "door"), newCond(t, seg, "turn")
		turns := 0 // of this process; guarded by m
		return []func() error{
			func() error { // calls those that wait
				err := m.LockRepair(background, r.repair)
				if err == nil {
					r.write()
					turns++
					c.Broadcast()
					m.Unlock()
				}
				return err
			},
			func() error {
				err := m.LockRepair(background, r.repair)
				if err != nil {
					return err
				}
				for last := turns; err == nil && last == turns; {
					err = c.Wait(background, m)
				}
				if errors.Is(err, shmsync.ErrOwnerDied) { // m is held for repair
					r.died.Add(1)
					m.Unlock()
					return nil
				}
				if err == nil {
					r.write()
					m.Unlock()
				}
				return err
			},
		}
	},
}

// A process that closes the segment in the middle of its visits has been alone inside with each
// lock that it got, and leaves no lock behind that keeps the others out, or says that its owner
// died.
func TestSegmentClosedInTheMiddle(t *testing.T) {
	for name, open := range doors {
		t.Run(name, func(t *testing.T) {
			rounds := 40
			if testing.Short() {
				rounds = 10
			}
			path := filepath.Join(proctest.Dir(t), "segment")
			stays, err := shm.Create(path, shm.Options{})
			wantErr(t, "create", err, nil)
			defer stays.Close()
			r := new(room)
			others := open(t, stays, r)
			for round := range rounds {
				if err := leaveInTheMiddle(t, path, open, others, r); err != nil {
					t.Fatalf("round %d: %v", round, err)
				}
			}
		})
	}
}

func leaveInTheMiddle(t *testing.T, path string, open func(*testing.T, *shm.Segment, *room) []func() error, others []func() error, r *room) error {
	leaving, err := shm.Open(path)
	wantErr(t, "open", err, nil)
	var left, over atomic.Bool // the process has left; so have the others but the first
	var all, rest, first sync.WaitGroup
	for _, visit := range open(t, leaving, r) {
		for range 2 {
			all.Go(func() {
				var err error
				for err == nil {
					err = visit()
				}
				if !errors.Is(err, shmsync.ErrClosed) {
					t.Errorf("a process that leaves: %v", err)
				}
			})
		}
	}
	stay := func(visit func() error, until *atomic.Bool) {
		for more := true; more; {
			more = !until.Load() // once more when it has left
			if err := visit(); err != nil {
				t.Errorf("a process that stays: %v", err)
				return
			}
		}
	}
	first.Go(func() { stay(others[0], &over) })
	for _, visit := range others[1:] {
		rest.Go(func() { stay(visit, &left) })
	}
	proctest.Stagger(2 * time.Millisecond)
	var held *shm.HeldError // a goroutine lost its processor inside for as long as the close waits
	if err := leaving.Close(); err != nil && !errors.As(err, &held) {
		t.Error(err)
	}
	all.Wait()
	left.Store(true)
	rest.Wait()
	over.Store(true)
	first.Wait()
	crowded, died := r.crowded.Swap(0), r.died.Swap(0)
	if held == nil && crowded+died > 0 {
		return fmt.Errorf("%d times another was inside, %d times the owner had died", crowded, died)
	}
	return nil
}
