package dict

import (
	"context"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A claim of a key says that a process runs its fill function: other callers of Do wait for the end
// of the claim, or of the process. The claims of a stripe are a part of their own, which grows. A
// claim is canceled when the key is set or deleted: the result of the fill is not stored.

const (
	canceled   = 1 << 63 // in the owner of a claim
	firstClaim = 3       // log2 of the claims that a stripe begins with
	claimLog   = 31      // mask of log2 in the word claims
)

// claimsIn is the claims of the stripe: their offset and number. There are none when n is 0, also
// where the word makes no sense.
func (h hold) claimsIn() (off, n uint64) {
	if h.claims == 0 {
		return 0, 0
	}
	off, n = h.claims&^claimLog, uint64(1)<<(h.claims&claimLog)
	if !h.m.inHeap(off, n*claimBytes) {
		return 0, 0
	}
	return off, n
}

// claimOf is the claim of a key with that hash; nil when there is none.
func (h hold) claimOf(hash uint64) *claim {
	off, n := h.claimsIn()
	for i := range n {
		if c := view[claim](h.m, off+i*claimBytes); c.owner != 0 && c.hash == hash {
			return c
		}
	}
	return nil
}

// ownerOf is the process that a claim belongs to; 0 for one that no living process has.
func (h hold) ownerOf(c *claim) proctab.Owner {
	o := proctab.Owner(c.owner & proctab.OwnerMask)
	if o == 0 || h.m.s.Table().Dead(o) {
		return 0
	}
	return o
}

// cancelClaim cancels the claim of a key that is about to change, and reports whether there is one.
//
// SYNC: claim: it is canceled before the key changes. The other way round a death between the two
// would let the result of the fill, which is older, replace the new value.
func (h hold) cancelClaim(hash uint64) bool {
	if h.claims == 0 {
		return false
	}
	c := h.claimOf(hash)
	if c == nil || c.owner&canceled != 0 {
		return false
	}
	c.owner |= canceled
	crashpoint.Here("dict.claim.canceled")
	h.turn.Add(1)
	return true
}

// cancelClaims cancels all claims of the stripe.
func (h hold) cancelClaims() (any bool) {
	off, n := h.claimsIn()
	for i := range n {
		if c := view[claim](h.m, off+i*claimBytes); c.owner != 0 && c.owner&canceled == 0 {
			c.owner |= canceled
			any = true
		}
	}
	if any {
		h.turn.Add(1)
	}
	return any
}

// take claims a key that no living process has claimed. It reports false where there is no memory
// for that.
func (h hold) take(ctx context.Context, hash, token uint64) (bool, error) {
	me := uint64(h.m.s.Me())
	free := h.claimOf(hash) // of a dead process
	off, n := h.claimsIn()
	for i := uint64(0); i < n && free == nil; i++ {
		if c := view[claim](h.m, off+i*claimBytes); c.owner == 0 || h.ownerOf(c) == 0 {
			free = c
		}
	}
	if free == nil {
		err := h.growClaims(ctx)
		if lacksRoom(err) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		return h.take(ctx, hash, token)
	}
	free.owner = 0
	crashpoint.Here("dict.claim.freed")
	free.hash, free.token = hash, token
	crashpoint.Here("dict.claim.filled")
	free.owner = me // with this the key is claimed
	crashpoint.Here("dict.claimed")
	return true, nil
}

// growClaims doubles the room for claims.
//
// What a death leaves behind: as in grow.
func (h hold) growClaims(ctx context.Context) error {
	old, n := h.claimsIn()
	log := uint64(firstClaim)
	if n > 0 {
		log = h.claims&claimLog + 1
	}
	size := claimBytes << log
	off, err := h.m.s.TryAllocDirty(ctx, size)
	if err != nil {
		return err
	}
	if !h.m.inHeap(off, uint64(size)) {
		return h.m.corrupt()
	}
	clear(h.m.mem[off : off+uint64(size)])
	copy(h.m.mem[off:off+uint64(size)], h.m.mem[old:old+n*claimBytes])
	if n > 0 {
		h.dropping = old
		crashpoint.Here("dict.claims.dropping")
	}
	h.adding = off
	crashpoint.Here("dict.claims.adding")
	if err := h.m.o.Adopt(off, uint32(h.i)); err != nil {
		return err
	}
	h.claims = off | log // with this the new ones count
	crashpoint.Here("dict.claims.grown")
	h.adding = 0
	return h.giveBack()
}

// release ends a claim of this process. It reports whether the result of its fill may be stored.
func (h hold) release(hash, token uint64) (valid bool) {
	c := h.claimOf(hash)
	if c == nil || c.token != token || c.owner&^canceled != uint64(h.m.s.Me()) {
		return false // lost to a process that has taken this one for dead
	}
	valid = c.owner&canceled == 0
	c.owner = 0
	crashpoint.Here("dict.claim.released")
	h.turn.Add(1)
	return valid
}
