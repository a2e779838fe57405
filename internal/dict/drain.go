package dict

import (
	"context"
	"math"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/mapping"
)

// The oldest page of a stripe is drained: what is in use is moved to the current page, and the page
// is used again. Without a bound that happens when a third of the pages' bytes is garbage, a little
// with each change. With a bound it happens when that is reached. While as much is garbage all
// records are moved then, too. Otherwise only those that were read since they were written, or
// moved last, are moved, up to half of each page; the others are evicted.

// What of a page stays that is drained.
type mercy uint8

const (
	keepNone mercy = iota
	keepRead       // what was read lately, up to half of the page
	keepAll        // what has not expired
)

// usualMercy is keepRead where a bound is reached by records, and not by garbage.
func (h hold) usualMercy() mercy {
	if h.m.maxBytes == 0 || h.wasteful() {
		return keepAll
	}
	return keepRead
}

// tidyBytes is how much a Delete drains, which makes garbage and needs no room.
const tidyBytes = 1 << 10

// tidy drains about that many bytes, if that is called for.
func (h hold) tidy(ctx context.Context, budget uint64) error {
	err := error(nil)
	for budget > 0 && h.untidy() && err == nil {
		n := uint64(0)
		n, err = h.drain(ctx, budget, h.usualMercy())
		budget -= min(n+recordBytes, budget)
	}
	if err == nil && h.spare == 0 && h.cursor != 0 && h.m.maxBytes == 0 {
		// What is left of the page has room in the one that was the spare. A record that is written
		// now would take that.
		_, err = h.drain(ctx, math.MaxUint64, keepAll)
	}
	if lacksRoom(err) {
		return nil // then the change has to find room by itself
	}
	return err
}

func (h hold) untidy() bool {
	if h.first == h.current {
		return false
	}
	if h.m.maxBytes > 0 {
		return h.spare == 0 && h.tight(h.pageFor(0))
	}
	return h.wasteful()
}

// wasteful reports whether a third of the bytes of the pages, and two pages, are garbage.
func (h hold) wasteful() bool { return h.bytes > h.live+h.bytes/3+2*h.pageShare() }

// reclaim drains pages until there is room.
//
// Errors: a [*mapping.NoSpaceError] when there is nothing left to drain.
func (h hold) reclaim(ctx context.Context, room func() (bool, error)) error {
	// More pages there cannot be, whatever the words say.
	for left := min(h.bytes/pageBytes+1, h.m.mostPages()); left > 0; left-- {
		if h.first == h.current {
			break
		}
		if h.m.maxBytes == 0 && h.bytes < h.live+minPage {
			break
		}
		keep := keepAll
		if h.m.maxBytes > 0 {
			keep = keepRead
		}
		_, err := h.drain(ctx, math.MaxUint64, keep)
		if lacksRoom(err) && h.m.maxBytes > 0 {
			_, err = h.drain(ctx, math.MaxUint64, keepNone)
		}
		if err != nil {
			return err
		}
		if ok, err := room(); ok || err != nil {
			return err
		}
	}
	if h.m.maxBytes > 0 && h.first != 0 {
		if err := h.emptyCurrent(); err != nil {
			return err
		}
		if ok, err := room(); ok || err != nil {
			return err
		}
	}
	return h.full(minPage)
}

// gather drains pages whose records all stay, until garbage is rare, or a block with that payload
// leaves room to do so again. It goes round the pages once at most.
func (h hold) gather(ctx context.Context, payload uint64) error {
	left := min(h.bytes, uint64(len(h.m.mem)))
	for left > 0 && h.first != h.current && h.wasteful() && h.tight(payload) {
		_, size, _, err := h.page(h.first)
		if err == nil {
			_, err = h.drain(ctx, math.MaxUint64, keepAll)
		}
		if lacksRoom(err) {
			return nil
		}
		if err != nil {
			return err
		}
		left -= min(left, size)
	}
	return nil
}

// drain looks at records of the oldest page, which is not the current one, of about that many
// bytes. At the end of the page it gives it back.
func (h hold) drain(ctx context.Context, budget uint64, keep mercy) (done uint64, err error) {
	pg := h.first
	p, size, used, err := h.page(pg)
	if err != nil {
		return 0, err
	}
	if h.cursor == 0 {
		h.kept, h.cursor = 0, pageBytes
		crashpoint.Here("dict.drain.begun")
	}
	for h.cursor < used && done < budget {
		off := pg + h.cursor
		if !h.m.inHeap(off, recordBytes) {
			return done, h.m.corrupt()
		}
		c, err := h.m.content(off)
		if err != nil || h.cursor+c.size > used {
			return done, h.m.corrupt()
		}
		at, err := h.naming(off, view[record](h.m, off).hash)
		if err != nil {
			return done, err
		}
		if at.slot != nil {
			if c.size > largeBytes && h.keeps(at, c, size, keep) {
				return done + c.size, h.rotate(p, size)
			}
			if err := h.sift(ctx, at, c, size, keep); err != nil {
				return done, err
			}
		}
		h.cursor += c.size
		done += c.size
		crashpoint.Here("dict.drain.record")
	}
	if h.cursor < used {
		return done, nil
	}
	return done, h.unlinkPage(pg)
}

// sift moves a record of the page that is drained, or removes it.
func (h hold) sift(ctx context.Context, at seat, c content, size uint64, keep mercy) error {
	if h.keeps(at, c, size, keep) {
		return h.move(ctx, at, c)
	}
	if c.expiry != 0 && h.m.expired(h.stripe, c.expiry) {
		h.expired++
	} else {
		h.evicted++
	}
	return h.remove(at)
}

// keeps reports whether a record of the page that is drained, of which size is the size, stays.
func (h hold) keeps(at seat, c content, size uint64, keep mercy) bool {
	switch {
	case c.expiry != 0 && h.m.expired(h.stripe, c.expiry):
		return false
	case keep == keepAll:
		return true
	case keep == keepNone:
		return false
	case !h.m.takeTouch(view[record](h.m, at.off).hash) || h.kept+c.size > size/2:
		return false
	}
	h.kept += c.size
	return true
}

// move copies a record to the current page. The sum of live bytes stays as it is.
//
// What a death leaves behind: two equal records, one of which the slot names.
func (h hold) move(ctx context.Context, at seat, c content) error {
	to, err := h.fits(c.size)
	if err == nil && to == 0 {
		if err = h.roomToMove(ctx, c.size); err == nil {
			to, err = h.fits(c.size)
		}
	}
	if err != nil {
		return err
	}
	if to == 0 {
		return h.full(c.size)
	}
	copy(h.m.mem[to:to+c.size], h.m.mem[at.off:at.off+c.size])
	crashpoint.Here("dict.move.copied")
	hash := view[record](h.m, to).hash
	if err := h.append(to, c.size); err != nil {
		return err
	}
	storeRelease(at.slot, slotWord(to, hash)) // with this it has moved
	crashpoint.Here("dict.move.named")
	at.bucket.advance()
	h.moved++
	return nil
}

// roomToMove gives the stripe another current page, for a record of that size to be moved to. The
// spare is for when there is no memory.
func (h hold) roomToMove(ctx context.Context, size uint64) error {
	want := h.pageFor(size)
	if h.over(want) { // what the page that is drained gives back is enough
		_, old, _, err := h.page(h.first)
		if err != nil {
			return err
		}
		want = min(want, max(old, size+pageBytes))
	}
	err := h.full(want)
	if !h.over(want) {
		err = h.addSmaller(ctx, want, size)
	}
	if lacksRoom(err) && h.spareSize() >= size+pageBytes {
		return h.takeSpare()
	}
	return err
}

// full is the error for a stripe that has no room for so many bytes.
func (h hold) full(need uint64) error {
	return &mapping.NoSpaceError{Path: h.m.s.Path(), Need: int64(need), Segment: true}
}

// rotate moves the oldest page, which a large record has for its own, before the current one.
//
// What a death leaves behind: adding names the page, which is in no list.
func (h hold) rotate(p *page, size uint64) error {
	pg := h.first
	h.cursor = 0
	if p.next == h.current {
		return nil
	}
	h.adding = pg
	crashpoint.Here("dict.rotate.adding")
	h.first = p.next
	crashpoint.Here("dict.rotate.unlinked")
	h.bytes -= size + blockPad
	return h.insertPage(pg)
}

// emptyCurrent evicts all records of the current page, and begins it anew.
func (h hold) emptyCurrent() error {
	pg := h.current
	p, _, used, err := h.page(pg)
	if err != nil {
		return err
	}
	for off := pg + pageBytes; off < pg+used; {
		c, err := h.m.content(off)
		if err != nil || off+c.size > pg+used {
			return h.m.corrupt()
		}
		at, err := h.naming(off, view[record](h.m, off).hash)
		if err == nil && at.slot != nil {
			h.evicted++
			err = h.remove(at)
		}
		if err != nil {
			return err
		}
		off += c.size
	}
	p.used = pageBytes // nothing in it is named
	crashpoint.Here("dict.page.emptied")
	return nil
}
