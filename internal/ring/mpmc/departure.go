package mpmc

import (
	"encoding/binary"
	"io"
	"sync"
)

// A departure is what a close of the segment has found of the claims of this process when none of
// its goroutines reached the ring any more, and no other process took it for dead yet.
//
// A goroutine that asks whether the segment is closed, and loses its processor before its claim for
// as long as the close looks for claims, does not know what its claim has met: the ring, where the
// message is its own from then on, or memory of the process. The close tells it.
type departure struct {
	mu sync.Mutex
	// claimed slots as they were, by index, until a Get has them; guarded by mu
	copies map[uint64]*Slot
}

// lookBytes is how much of a ring lookBack reads at once.
const lookBytes = 64 << 10

// lookBack notes which messages this process has claimed. What cannot be read counts as not
// claimed.
func (r *Ring) lookBack(payload io.ReaderAt) {
	stride := uint64(r.stride)
	atOnce := max(lookBytes/stride, 1)
	b := make([]byte, atOnce*stride)
	copies := map[uint64]*Slot{}
	for first := uint64(0); first < r.Capacity(); first += atOnce {
		b := b[:min(atOnce, r.Capacity()-first)*stride]
		if n, _ := payload.ReadAt(b, int64(headBytes+first*stride)); n < len(b) {
			break
		}
		for i := uint64(0); i*stride < uint64(len(b)); i++ {
			mem := b[i*stride:][:stride]
			w := binary.NativeEndian.Uint64(mem)
			if phaseOf(w) != reading || ownerOf(w) != r.Me {
				continue
			}
			own := make([]uint64, stride/8)
			for j := range own {
				own[j] = binary.NativeEndian.Uint64(mem[8*j:])
			}
			copies[first+i] = slotIn(own)
		}
	}
	r.left.mu.Lock()
	defer r.left.mu.Unlock()
	r.left.copies = copies
}

// Landed returns the message of position p, of which the slot could not be released because the
// segment let go of this process: nil when the claim has met memory of the process alone, so that
// the message is another's. One caller gets it.
func (r *Ring) Landed(p uint64) *Slot {
	if !r.Detached() {
		return nil
	}
	r.AwaitLeft()
	r.left.mu.Lock()
	defer r.left.mu.Unlock()
	i := p & r.mask
	found := r.left.copies[i]
	if found == nil || lapOf(found.state.Load()) != r.lap(p) {
		return nil
	}
	delete(r.left.copies, i)
	return found
}
