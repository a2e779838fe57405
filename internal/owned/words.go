package owned

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/segment"
)

// Words name the blocks of an object that are changing hands, for the process that mends it. They
// lie in the object, behind its lock.
//
//	off  size  field     invariant
//	  0     8  adding    block that is becoming a part, or 0
//	  8     8  dropping  block that may be no part any more, or 0
type Words struct{ Adding, Dropping uint64 }

// A Holder is the holder of an object's lock, which changes its parts.
type Holder struct {
	Object *segment.Object
	Words  *Words
}

// Add allocates a block of n bytes and makes it a part, which the caller then links, and says
// Added.
//
// What a death leaves behind: a block of a dead process; or a part that Adding names.
func (h Holder) Add(ctx context.Context, n int) (off uint64, err error) {
	off, _, err = h.Object.Seg.AllocDirtyContext(ctx, n)
	if err != nil {
		return 0, err
	}
	h.Words.Adding = off
	crashpoint.Here("owned.adding")
	return off, h.Object.Adopt(off, 0)
}

// Added says that the block is linked.
func (h Holder) Added() {
	h.Words.Adding = 0
	crashpoint.Here("owned.added")
}

// Dropping says that a block is about to be unlinked. [Holder.GiveBack] follows.
func (h Holder) Dropping(off uint64) {
	h.Words.Dropping = off
	crashpoint.Here("owned.dropping")
}

// GiveBack frees the block that Dropping has named, which nothing uses any more. When freeing fails
// the block is this process's until it ends.
func (h Holder) GiveBack() error {
	off := h.Words.Dropping
	if off == 0 {
		return nil
	}
	if err := h.Object.Disown(off, 0); err != nil {
		return err
	}
	h.Words.Dropping = 0
	crashpoint.Here("owned.dropped")
	h.Object.Seg.FreeSoon(off)
	return nil
}

// Mend sees to the blocks that changed hands when a process died: a part to which nothing leads is
// freed. It may be killed and run again.
func (h Holder) Mend(linked func(off uint64) bool) error {
	for _, word := range []*uint64{&h.Words.Adding, &h.Words.Dropping} {
		off := *word
		if off == 0 {
			continue
		}
		drop := false
		if !linked(off) {
			var err error
			if drop, err = h.Object.HasPart(context.Background(), off, 0); err != nil {
				return err
			}
		}
		if drop {
			if err := h.Object.Disown(off, 0); err != nil {
				return err
			}
		}
		*word = 0
		crashpoint.Here("owned.mended")
		if drop {
			h.Object.Seg.FreeSoon(off)
		}
	}
	return nil
}
