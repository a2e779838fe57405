//go:build linux

package proctab

import (
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/futex"
)

// FuzzGarbage looks at slots that hold anything, and attaches to them.
func FuzzGarbage(f *testing.F) {
	const slots = 4
	seed := make([]byte, slots*SlotBytes)
	f.Add(seed, uint32(0))
	binary.LittleEndian.PutUint64(seed, claimed(0, 1)|byteLocked)
	binary.LittleEndian.PutUint64(seed[SlotBytes:], claimed(0, 1))
	binary.LittleEndian.PutUint64(seed[2*SlotBytes:], freed(1)|ownerDied|unordered)
	for i := 3 * SlotBytes; i < len(seed); i++ {
		seed[i] = 0xff
	}
	f.Add(seed, uint32(OwnerMask))
	f.Add([]byte("\xff\xff\xff\xff\xff\xff\xff\xff\xff"), uint32(ownerOf(0, 1)))
	table, _ := openTable(f, slots)
	f.Fuzz(func(t *testing.T, garbage []byte, id uint32) {
		mem := table.memory.Bytes()[:slots*SlotBytes]
		clear(mem)
		copy(mem, garbage)
		fresh := &file{Table: New(mem, table.f, 0, table.memory)}
		done := make(chan struct{})
		go func() {
			defer close(done)
			fresh.lookAt(t, Owner(id))
			fresh.attachToGarbage(t)
		}()
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("does not end")
		}
	})
}

// lookAt calls everything that reads slots.
func (f *file) lookAt(t *testing.T, id Owner) {
	owners := []Owner{id, id & OwnerMask}
	for o := range f.Owners {
		if o == 0 || o >= OwnerMask {
			t.Errorf("owner %#x", o)
		}
		owners = append(owners, o)
	}
	for n := range f.slots {
		owners = append(owners, ownerOf(n, epochOf(f.slots[n].word.Load())))
	}
	for _, o := range owners {
		dead := f.Dead(o)
		w, ok := f.Liveness(o)
		if ok == dead || ok != (w.Addr != nil) {
			t.Errorf("owner %#x: dead %t, liveness %t", o, dead, ok)
		}
		f.WakeAll(w)
		f.NeedsPolling(o)
		f.Info(o)
		if !dead && f.Gone(o.Slot()) {
			t.Errorf("owner %#x of slot %d is alive, and the slot is not", o, o.Slot())
		}
	}
	f.WakeAll(futex.Word{})
	f.Gone(-1)
	f.Gone(f.Len())
}

func (f *file) attachToGarbage(t *testing.T) {
	free := f.Len()
	for range f.Owners {
		free--
	}
	m, _, err := f.Attach()
	if (err == nil) != (free > 0) || err != nil && !errors.Is(err, ErrTooManyProcesses) {
		t.Fatalf("%d slots are free: %v", free, err)
	}
	if err != nil {
		return
	}
	if f.Dead(m.ID()) {
		t.Errorf("%#x is dead", m.ID())
	}
	if i, ok := f.Info(m.ID()); !ok || i.PID == 0 {
		t.Errorf("%#x is %v, %t", m.ID(), i, ok)
	}
	m.Detach()
	if !f.Dead(m.ID()) {
		t.Errorf("%#x lives on", m.ID())
	}
}
