package pipe

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() {
	describe.Register(segment.KindPipe, describePipe)
	describe.Register(segment.KindListener, describeListener)
}

func describePipe(v *describe.View) error {
	mem, err := v.Bytes(0, headBytes)
	if err != nil {
		return err
	}
	h := headIn(mem)
	if h.capacity < minBuffer || h.capacity > maxBuffer || v.Size != headBytes+2*h.capacity {
		return fmt.Errorf("%w: rings of %d bytes in %d", describe.ErrDamaged, h.capacity, v.Size)
	}
	v.Set("capacityBytes", h.capacity)
	for end, name := range [...]string{"a", "b"} {
		w := h.ends[end].Load()
		v.SetProcess(name, ownerOfEnd(w))
		v.Set(name+"Written", h.streams[end].Written())
		v.Set(name+"Unread", min(h.streams[end].Unread(), h.capacity))
		v.Set(name+"Closed", w&(writeShut|readShut) == writeShut|readShut)
	}
	return nil
}

func describeListener(v *describe.View) error {
	mem, err := v.Bytes(0, listenHeadBytes)
	if err != nil {
		return err
	}
	h := listenHeadIn(mem)
	w := h.owner.Load()
	v.Set("bufferBytes", h.buffer)
	v.SetProcess("owner", proctab.Owner(w&proctab.OwnerMask))
	v.Set("closed", w&listenClosed != 0)
	return nil
}
