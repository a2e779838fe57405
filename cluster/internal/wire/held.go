package wire

import (
	"encoding/binary"
	"time"
)

// Held tells a caller which of its tasks a host has. The answer to a request is the ids of those
// that the caller does not wait for.
type Held struct {
	Host  string // id
	Items []HeldItem
}

// A HeldItem is one delivery.
type HeldItem struct {
	ID        uint64
	Delivered int // how often the server has delivered this message
	// Reply is the subject that takes the acknowledgement of the delivery. Empty means that the
	// host does not have the task any more, and lets another one have it.
	Reply string
}

// AppendHeld appends h to b.
func AppendHeld(b []byte, h *Held) []byte {
	b = appendText(b, h.Host)
	for _, i := range h.Items {
		b = binary.AppendUvarint(b, i.ID)
		b = binary.AppendUvarint(b, uint64(i.Delivered))
		b = appendText(b, i.Reply)
	}
	return b
}

// ReadHeld returns the Held in b.
func ReadHeld(b []byte) (h Held, err error) {
	r := reader{rest: b}
	h.Host = r.text()
	for len(r.rest) > 0 {
		i := HeldItem{r.uint(anyNumber), int(r.uint(1 << 31)), r.text()}
		if !r.bad {
			h.Items = append(h.Items, i)
		}
	}
	if r.err(true) != nil || !Name(h.Host) {
		return Held{}, ErrFormat
	}
	return h, nil
}

// AppendIDs appends the ids of tasks to b.
func AppendIDs(b []byte, ids ...uint64) []byte {
	for _, id := range ids {
		b = binary.AppendUvarint(b, id)
	}
	return b
}

// ReadIDs returns the ids in b.
func ReadIDs(b []byte) (ids []uint64, err error) {
	r := reader{rest: b}
	for len(r.rest) > 0 {
		if id := r.uint(anyNumber); !r.bad {
			ids = append(ids, id)
		}
	}
	return ids, r.err(true)
}

// Cancel tells a host, or all, that tasks of a caller have no use any more.
type Cancel struct {
	Client string
	All    bool          // every task of the caller
	Drop   bool          // with All: those that no worker has begun
	Grace  time.Duration // how long those may go on
	IDs    []uint64      // else these
}

// AppendCancel appends c to b.
func AppendCancel(b []byte, c *Cancel) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(appendText(b, c.Client), flag(c.All)), flag(c.Drop))
	return AppendIDs(binary.AppendUvarint(b, uint64(c.Grace)), c.IDs...)
}

// ReadCancel returns the Cancel in b.
func ReadCancel(b []byte) (c Cancel, err error) {
	r := reader{rest: b}
	c.Client, c.All, c.Drop, c.Grace = r.text(), r.uint(1) != 0, r.uint(1) != 0, r.duration()
	if r.bad || !Name(c.Client) {
		return Cancel{}, ErrFormat
	}
	c.IDs, err = ReadIDs(r.rest)
	return c, err
}

// A Piece asks for a part of the argument or the result of a task.
type Piece struct {
	Client string // of a result; its caller knows itself
	ID     uint64
	Offset int
}

// AppendPiece appends p to b.
func AppendPiece(b []byte, p *Piece) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(appendText(b, p.Client), p.ID), uint64(p.Offset))
}

// ReadPiece returns the Piece in b.
func ReadPiece(b []byte) (p Piece, err error) {
	r := reader{rest: b}
	p.Client, p.ID, p.Offset = r.text(), r.uint(anyNumber), int(r.uint(maxSize))
	return p, r.err(true)
}
