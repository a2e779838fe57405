package dict

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
)

// ownPage returns where a large record goes: into a page of its own.
func (h hold) ownPage(ctx context.Context, size uint64) (uint64, error) {
	if h.current == 0 {
		if err := h.addPage(ctx, h.pageFor(0), true); err != nil {
			return 0, err
		}
	}
	pg, need := uint64(0), size+pageBytes
	room := func() (ok bool, err error) {
		if h.tight(need) {
			return false, nil
		}
		pg, err = h.newPage(ctx, need, false)
		return tried(err)
	}
	err := h.gather(ctx, need)
	if err != nil {
		return 0, err
	}
	ok, err := room()
	if err == nil && !ok {
		err = h.reclaim(ctx, room)
	}
	if lacksRoom(err) && h.m.maxBytes == 0 {
		pg, err = h.newPage(ctx, need, true)
	}
	if err == nil {
		err = h.insertPage(pg)
	}
	return pg + pageBytes, err
}

// discard gives up a record that nothing names any more. A page of its own goes with it.
func (h hold) discard(off, size uint64) error {
	if pg := off - pageBytes; size > largeBytes && (pg != h.first || h.cursor == 0) {
		return h.unlinkPage(pg)
	}
	return nil
}

// unlinkPage takes a page out of the list, which is not the current one, and gives it back. Nothing
// in it is named.
//
// What a death leaves behind: dropping names the page; it is in the list, the spare, or neither.
func (h hold) unlinkPage(pg uint64) error {
	link, before := &h.first, uint64(0)
	for *link != pg {
		before = *link
		p, _, _, err := h.page(before)
		if err != nil || before == h.current {
			return h.m.corrupt()
		}
		link = &p.next
	}
	p, size, _, err := h.page(pg)
	if err != nil || pg == h.current {
		return h.m.corrupt()
	}
	h.dropping = pg
	crashpoint.Here("dict.page.dropping")
	if before == 0 {
		h.cursor = 0
	}
	*link = p.next // with this it is out of the list
	crashpoint.Here("dict.page.unlinked")
	if h.before == pg {
		h.before = before
	}
	h.bytes -= size + blockPad
	small := h.m.maxBytes > 0 && size+blockPad < h.pageShare() // its memory serves better elsewhere
	if h.spare == 0 && size <= maxPage && h.live > 0 && !small {
		p.used = pageBytes
		h.spare = pg
		crashpoint.Here("dict.page.spared")
		h.dropping = 0
		return nil
	}
	return h.giveBack()
}

// giveBack frees the block that dropping names, which nothing uses any more. When that fails the
// block is this process's until it ends, and the change that led here has succeeded all the same.
func (h hold) giveBack() error {
	off := h.dropping
	if off == 0 {
		return nil
	}
	if err := h.m.o.Disown(off, uint32(h.i)); err != nil {
		return err
	}
	h.dropping = 0
	crashpoint.Here("dict.dropped")
	h.m.s.FreeSoon(off)
	return nil
}
