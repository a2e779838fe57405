package directory

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/elem"
)

// A Record says what object is to be made.
type Record struct {
	Name, Type   string
	Kind, Layout uint32
	Size         int64
	Init         func(payload []byte) // fills the payload, which is zero; may be nil
}

// BuildNamed makes the object and enters its name, under the lock.
func (d *Directory) BuildNamed(r Record) error {
	i, _, err := d.Build(r, StateLive)
	if err != nil {
		return err
	}
	d.chain(i)
	HeaderIn(d.mem).Live.Add(1)
	crashpoint.Here("directory.published")
	return nil
}

// Build makes the object and puts its entry into the state, under the lock. Nothing leads to the
// entry yet.
//
// What a death leaves behind, for rebuild: a block with a free entry, which is freed; or, after
// the entry is in its state, an object that is only not yet in its chain, or in the ring.
func (d *Directory) Build(r Record, state uint64) (i uint32, whole uint64, err error) {
	i, err = d.takeEntry()
	if err != nil {
		return 0, 0, fmt.Errorf("object %q: %w", r.Name, err)
	}
	head := RoundUp(uint64(BlockHeaderBytes+len(r.Name)+len(r.Type)), LineBytes)
	off, err := d.alloc(head-BlockHeaderBytes+uint64(r.Size), uint64(i)+1, true)
	if err != nil {
		d.freeEntryAt(i)
		return 0, 0, fmt.Errorf("object %q: %w", r.Name, err)
	}
	n := copy(d.mem[off+BlockHeaderBytes:], r.Name)
	copy(d.mem[off+BlockHeaderBytes+uint64(n):], r.Type)
	crashpoint.Here("object.named")
	if r.Init != nil {
		start := off + head
		r.Init(d.mem[start : start+uint64(r.Size) : start+uint64(r.Size)])
	}
	crashpoint.Here("object.filled")
	e := d.Entry(i) // is free: no process reads what is in it
	e.Hash, e.Kind, e.Layout = HashOf(r.Name), r.Kind, r.Layout
	e.NameBytes, e.TypeBytes = uint32(len(r.Name)), uint32(len(r.Type))
	e.Block, e.Size, e.Payload = off, uint64(r.Size), uint32(head)
	crashpoint.Here("object.entered")
	return i, d.publish(i, state), nil
}

// Unname takes a live object's name away, under the lock.
//
// What a death leaves behind, for rebuild: a removed entry that may still be in its chain, and may
// not be in the ring of retired objects.
func (d *Directory) Unname(i uint32, state uint64, hash uint32) error {
	return d.withOddSequence(func() error {
		// SYNC: users: a process that opens the object from here on sees that it was removed.
		d.Entry(i).State.Store(state&^StateMask | StateRemoved) // this store frees the name
		crashpoint.Here("object.removed")
		if err := d.unchain(i, hash); err != nil {
			return err
		}
		HeaderIn(d.mem).Live.Add(^uint32(0))
		crashpoint.Here("object.discounted")
		d.Retire(i)
		crashpoint.Here("object.retired")
		return nil
	})
}

// A Found is what the entry of an object says.
type Found struct {
	Name, Type   string // Name: "" when it has none
	Kind, Layout uint32
	Start, End   uint64 // of the payload
}

// Read reads the entry of an object that nothing frees meanwhile.
func (d *Directory) Read(i uint32) (Found, error) {
	e := d.Entry(i)
	off, size, payload := e.Block, e.Size, uint64(e.Payload)
	name, typ := uint64(e.NameBytes), uint64(e.TypeBytes)
	if !IsSound(d.geo.Heap, d.top(), off, size, payload, name, typ) {
		return Found{}, d.Corrupt("an entry of the directory makes no sense")
	}
	text := off + BlockHeaderBytes
	return Found{
		Name:   string(d.mem[text : text+name]),
		Type:   string(d.mem[text+name : text+name+typ]),
		Kind:   e.Kind,
		Layout: e.Layout,
		Start:  off + payload,
		End:    off + payload + size,
	}, nil
}

// IsSound reports whether an object can be where its entry says: within the heap, with room for
// its name and type in front of the payload.
func IsSound(heap, top, block, size, payload, name, typ uint64) bool {
	return block >= heap && block <= top && payload <= top-block && size <= top-block-payload &&
		payload%LineBytes == 0 && block%LineBytes == 0 && BlockHeaderBytes+name+typ <= payload &&
		name <= MaxNameBytes && typ <= elem.MaxFormat
}
