package frame

import (
	"encoding/binary"
	"slices"
)

// HeadSize is the size of a head in bytes.
const HeadSize = 40

// MaxPayload is the largest payload of one frame in bytes.
const MaxPayload = 64 << 10

// A Kind says what a frame is for. The kinds from 2 on belong to the user of the package.
type Kind uint8

// Chunk is the kind of a piece that is not the last one.
const Chunk Kind = 1

// Chunked is the flag of the last piece of a payload that has others.
const Chunked uint8 = 1 << 7

// Nil is the flag of a payload that is a nil slice. See [Head.Mark] and [Value].
const Nil uint8 = 1 << 6

// A Head is the head of a frame.
type Head struct {
	Length      uint32
	Kind        Kind
	Flags       uint8
	Method      uint16
	Call        uint64
	Object      uint64
	Incarnation uint64
	Left        int64 // nanoseconds; 0: no deadline
}

// Mark sets [Nil] if a value is nil, which as bytes is not told from an empty one.
func (h *Head) Mark(value []byte) {
	if value == nil {
		h.Flags |= Nil
	}
}

// Value is the value that a sender has marked: nil if the flag is set, else never nil.
func Value(flags uint8, b []byte) []byte {
	switch {
	case flags&Nil != 0:
		return nil
	case b == nil:
		return []byte{}
	}
	return b
}

// append appends the bytes of h, and the payload.
func (h *Head) append(b, payload []byte) []byte {
	n := len(b)
	b = slices.Grow(b, HeadSize+len(payload))[:n+HeadSize]
	to := b[n:][:HeadSize]
	binary.LittleEndian.PutUint64(to, uint64(h.Length)|uint64(h.Kind)<<32|uint64(h.Flags)<<40|uint64(h.Method)<<48)
	binary.LittleEndian.PutUint64(to[8:], h.Call)
	binary.LittleEndian.PutUint64(to[16:], h.Object)
	binary.LittleEndian.PutUint64(to[24:], h.Incarnation)
	binary.LittleEndian.PutUint64(to[32:], uint64(h.Left))
	return append(b, payload...)
}

// parse reads h from the first HeadSize bytes of b.
func (h *Head) parse(b []byte) {
	_ = b[HeadSize-1]
	first := binary.LittleEndian.Uint64(b)
	h.Length, h.Kind, h.Flags, h.Method = uint32(first), Kind(first>>32), uint8(first>>40), uint16(first>>48)
	h.Call = binary.LittleEndian.Uint64(b[8:])
	h.Object = binary.LittleEndian.Uint64(b[16:])
	h.Incarnation = binary.LittleEndian.Uint64(b[24:])
	h.Left = int64(binary.LittleEndian.Uint64(b[32:]))
}
