package segment

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// A record says what object is to be made.
type record struct {
	name, typ    string
	kind, layout uint32
	size         int64
	init         func(payload []byte) // fills the payload, which is zero; may be nil
}

// buildNamed makes the object and enters its name, under the lock.
func (d *directory) buildNamed(r record) error {
	i, _, err := d.build(r, stateLive)
	if err != nil {
		return err
	}
	d.chain(i)
	headerIn(d.mem).live.Add(1)
	crashpoint.Here("directory.published")
	return nil
}

// build makes the object and puts its entry into the state, under the lock. Nothing leads to the
// entry yet.
//
// What a death leaves behind, for rebuild: a block with a free entry, which is freed; or, after
// the entry is in its state, an object that is only not yet in its chain, or in the ring.
func (d *directory) build(r record, state uint64) (i uint32, whole uint64, err error) {
	i, err = d.takeEntry()
	if err != nil {
		return 0, 0, fmt.Errorf("object %q: %w", r.name, err)
	}
	head := roundUp(uint64(blockHeaderBytes+len(r.name)+len(r.typ)), lineBytes)
	off, err := d.alloc(head-blockHeaderBytes+uint64(r.size), uint64(i)+1, true)
	if err != nil {
		d.freeEntryAt(i)
		return 0, 0, fmt.Errorf("object %q: %w", r.name, err)
	}
	n := copy(d.mem[off+blockHeaderBytes:], r.name)
	copy(d.mem[off+blockHeaderBytes+uint64(n):], r.typ)
	crashpoint.Here("object.named")
	if r.init != nil {
		start := off + head
		r.init(d.mem[start : start+uint64(r.size) : start+uint64(r.size)])
	}
	crashpoint.Here("object.filled")
	e := d.entry(i) // is free: no process reads what is in it
	e.hash, e.kind, e.layout = hashOf(r.name), r.kind, r.layout
	e.nameBytes, e.typeBytes = uint32(len(r.name)), uint32(len(r.typ))
	e.block, e.size, e.payload = off, uint64(r.size), uint32(head)
	crashpoint.Here("object.entered")
	return i, d.publish(i, state), nil
}

// unname takes a live object's name away, under the lock.
//
// What a death leaves behind, for rebuild: a removed entry that may still be in its chain, and may
// not be in the ring of retired objects.
func (d *directory) unname(i uint32, state uint64, hash uint32) error {
	return d.withOddSequence(func() error {
		// SYNC: users: a process that opens the object from here on sees that it was removed.
		d.entry(i).state.Store(state&^stateMask | stateRemoved) // this store frees the name
		crashpoint.Here("object.removed")
		if err := d.unchain(i, hash); err != nil {
			return err
		}
		headerIn(d.mem).live.Add(^uint32(0))
		crashpoint.Here("object.discounted")
		d.retire(i)
		crashpoint.Here("object.retired")
		return nil
	})
}

// A found is what the entry of an object says.
type found struct {
	name, typ    string // name: "" when it has none
	kind, layout uint32
	start, end   uint64 // of the payload
}

// read reads the entry of an object that nothing frees meanwhile.
func (d *directory) read(i uint32) (found, error) {
	e := d.entry(i)
	off, size, payload := e.block, e.size, uint64(e.payload)
	name, typ := uint64(e.nameBytes), uint64(e.typeBytes)
	if !soundEntry(d.geo.heap, d.top(), off, size, payload, name, typ) {
		return found{}, d.corrupt("an entry of the directory makes no sense")
	}
	text := off + blockHeaderBytes
	return found{
		name:   string(d.mem[text : text+name]),
		typ:    string(d.mem[text+name : text+name+typ]),
		kind:   e.kind,
		layout: e.layout,
		start:  off + payload,
		end:    off + payload + size,
	}, nil
}
