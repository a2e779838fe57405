package dict

import (
	"context"
	"errors"
	"math/bits"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
)

// The records of a stripe lie in a list of pages, the oldest first. Writers append to the newest,
// the current one; the cleaner empties the oldest, see drain. A record of more than largeBytes has
// a page of its own, which is put before the current one and goes with it.
//
// One more page is kept in reserve, the spare: the cleaner needs one to begin when memory is full.

const (
	minPage    = 1 << 10
	maxPage    = 64 << 10
	largeBytes = 16 << 10
)

// page reads the header of a page of which something has named the offset.
//
// Errors: [segment.ErrCorrupt].
func (h hold) page(off uint64) (p *page, size, used uint64, err error) {
	if !h.m.inHeap(off, pageBytes) {
		return nil, 0, 0, h.m.corrupt()
	}
	p = view[page](h.m, off)
	size, used = p.size, p.used
	if used < pageBytes || used > size || used&7 != 0 || !h.m.inHeap(off, size) {
		return nil, 0, 0, h.m.corrupt()
	}
	return p, size, used, nil
}

// room returns the offset at which a record of that size can be written. Nothing leads there yet.
// It may move and evict records.
func (h hold) room(ctx context.Context, size uint64) (off uint64, err error) {
	if err := h.tidy(ctx, 4*size); err != nil {
		return 0, err
	}
	if size > largeBytes {
		return h.ownPage(ctx, size)
	}
	if off, err = h.fits(size); off != 0 || err != nil {
		return off, err
	}
	if err := h.nextPage(ctx, size); err != nil {
		return 0, err
	}
	off, err = h.fits(size)
	if off == 0 && err == nil {
		err = h.m.corrupt()
	}
	return off, err
}

// fits returns where in the current page a record of that size has room; 0: nowhere.
func (h hold) fits(size uint64) (off uint64, err error) {
	if h.current == 0 {
		return 0, nil
	}
	_, all, used, err := h.page(h.current)
	if err != nil || size > all-used {
		return 0, err
	}
	return h.current + used, nil
}

// append makes a record that was written where room has said a part of its page.
func (h hold) append(off, size uint64) error {
	pg := h.current
	if size > largeBytes {
		pg = off - pageBytes
	}
	p, _, used, err := h.page(pg)
	if err != nil {
		return err
	}
	p.used = used + size
	crashpoint.Here("dict.used")
	return nil
}

// pageShare is the size of a page with its block: the more the stripe holds, the larger.
func (h hold) pageShare() uint64 {
	most := uint64(maxPage)
	if h.m.maxBytes > 0 {
		most = min(most, 1<<(bits.Len64(h.m.maxBytes/32)-1))
	}
	return min(max(uint64(1)<<bits.Len64(h.live/16), minPage), most)
}

// pageFor is the size of a new page for a record of that size.
func (h hold) pageFor(size uint64) uint64 {
	return max(h.pageShare()-blockPad, size+pageBytes)
}

// over reports whether one more block with that payload is more than the bound allows.
func (h hold) over(payload uint64) bool {
	if h.m.maxBytes == 0 {
		return false
	}
	have := h.bytes + h.m.tableBytes(h.table.Load()) + payload + blockPad
	if h.spare != 0 {
		have += h.spareSize() + blockPad
	}
	return have > h.m.maxBytes
}

// tight is over for a block that new records go to. It leaves two of the largest pages, so that the
// records of an old one can be moved before that is given back, wherever they end in a new one.
func (h hold) tight(payload uint64) bool { return h.over(payload + h.m.maxBytes/16) }

// spareSize is the size of the spare page; 0: there is none.
func (h hold) spareSize() uint64 {
	if h.spare == 0 || !h.m.inHeap(h.spare, pageBytes) {
		return 0
	}
	return view[page](h.m, h.spare).size
}

// nextPage gives the stripe a current page with room for a record of that size.
func (h hold) nextPage(ctx context.Context, size uint64) error {
	want := h.pageFor(size)
	if h.current == 0 {
		return h.addPage(ctx, want, true)
	}
	if h.m.maxBytes > 0 {
		return h.nextBounded(ctx, size, want)
	}
	err := h.growSpare(ctx, want)
	if err == nil {
		if off, err := h.fits(size); off != 0 || err != nil {
			return err
		}
		err = h.addSmaller(ctx, want, size)
	}
	if !lacksRoom(err) {
		return err
	}
	err = h.reclaim(ctx, func() (bool, error) {
		if off, err := h.fits(size); off != 0 || err != nil {
			return off != 0, err
		}
		return tried(h.addSmaller(ctx, want, size))
	})
	if lacksRoom(err) { // other processes may have some to give back
		return h.addPage(ctx, want, true)
	}
	return err
}

// nextBounded is nextPage of a Dict with a bound: it evicts rather than fails.
func (h hold) nextBounded(ctx context.Context, size, want uint64) error {
	room := func() (bool, error) {
		if off, err := h.fits(size); off != 0 || err != nil {
			return off != 0, err
		}
		if !h.tight(want) {
			if ok, err := tried(h.addSmaller(ctx, want, size)); ok || err != nil {
				return ok, err
			}
		}
		if h.spare != 0 {
			if err := h.takeSpare(); err != nil {
				return false, err
			}
			off, err := h.fits(size)
			return off != 0, err
		}
		return false, nil
	}
	if err := h.gather(ctx, want); err != nil {
		return err
	}
	if ok, err := room(); ok || err != nil {
		return err
	}
	return h.reclaim(ctx, room)
}

// tried tells success from a lack of room, and both from other errors.
func tried(err error) (bool, error) {
	if lacksRoom(err) {
		return false, nil
	}
	return err == nil, err
}

func lacksRoom(err error) bool {
	var full *mapping.NoSpaceError
	return errors.As(err, &full)
}

// addPage makes a new page the current one.
//
// What a death leaves behind: a block of a dead process; a part in no list, which adding names; or
// a list and no note of its end.
func (h hold) addPage(ctx context.Context, size uint64, ask bool) error {
	pg, err := h.newPage(ctx, size, ask)
	if err != nil {
		return err
	}
	return h.appendPage(pg)
}

// addSmaller is addPage of a smaller page, with room for a record, where there is no memory for one
// of that size: what is free may lie scattered.
func (h hold) addSmaller(ctx context.Context, size, record uint64) error {
	err := h.addPage(ctx, size, false)
	for lacksRoom(err) && size > minPage-blockPad && size/2 >= record+pageBytes {
		size /= 2
		err = h.addPage(ctx, size&^7, false)
	}
	return err
}

// newPage allocates an empty page, which is a part and in no list. Adding names it. It asks other
// processes for memory if it is to.
func (h hold) newPage(ctx context.Context, size uint64, ask bool) (pg uint64, err error) {
	if ask {
		pg, _, err = h.m.s.AllocDirtyContext(ctx, int(size))
	} else {
		pg, err = h.m.s.TryAllocDirty(ctx, int(size))
	}
	if err != nil {
		return 0, err
	}
	if !h.m.inHeap(pg, size) {
		return 0, h.m.corrupt()
	}
	p := view[page](h.m, pg)
	p.next, p.size, p.used = 0, size, pageBytes
	h.adding = pg
	crashpoint.Here("dict.page.adding")
	return pg, h.m.o.Adopt(pg, uint32(h.i))
}

// appendPage puts the page that adding names last into the list.
func (h hold) appendPage(pg uint64) error {
	p, size, _, err := h.page(pg)
	if err != nil {
		return err
	}
	p.next, p.used = 0, pageBytes
	if h.current == 0 {
		h.first = pg
	} else {
		last, _, _, err := h.page(h.current)
		if err != nil {
			return err
		}
		last.next = pg // with this it is in the list
	}
	crashpoint.Here("dict.page.linked")
	h.before, h.current = h.current, pg
	h.bytes += size + blockPad
	crashpoint.Here("dict.page.current")
	h.adding = 0
	crashpoint.Here("dict.page.added")
	return nil
}

// insertPage puts the page that adding names, which is full, before the current one.
func (h hold) insertPage(pg uint64) error {
	p, size, _, err := h.page(pg)
	if err != nil {
		return err
	}
	p.next = h.current
	if h.before == 0 {
		h.first = pg
	} else {
		last, _, _, err := h.page(h.before)
		if err != nil {
			return err
		}
		last.next = pg // with this it is in the list
	}
	crashpoint.Here("dict.page.inserted")
	h.before = pg
	h.bytes += size + blockPad
	h.adding = 0
	crashpoint.Here("dict.page.added")
	return nil
}

// growSpare sees to a spare page of at least that size: the cleaner moves into it what an old page
// holds. One that is smaller becomes the current page.
func (h hold) growSpare(ctx context.Context, size uint64) error {
	if h.spareSize() >= size {
		return nil
	}
	if h.spare != 0 {
		if err := h.takeSpare(); err != nil {
			return err
		}
	}
	return h.reserve(ctx, size)
}

// reserve gives the stripe a spare page.
func (h hold) reserve(ctx context.Context, size uint64) error {
	pg, err := h.newPage(ctx, size, false)
	if err != nil {
		return err
	}
	h.spare = pg
	crashpoint.Here("dict.page.reserved")
	h.adding = 0
	return nil
}

// takeSpare makes the spare page the current one.
func (h hold) takeSpare() error {
	pg := h.spare
	h.adding = pg
	crashpoint.Here("dict.page.adding")
	h.spare = 0
	crashpoint.Here("dict.page.taken")
	return h.appendPage(pg)
}
