package frame

import "encoding/binary"

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

// append appends the bytes of h.
func (h *Head) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, h.Length)
	b = append(b, byte(h.Kind), h.Flags)
	b = binary.LittleEndian.AppendUint16(b, h.Method)
	b = binary.LittleEndian.AppendUint64(b, h.Call)
	b = binary.LittleEndian.AppendUint64(b, h.Object)
	b = binary.LittleEndian.AppendUint64(b, h.Incarnation)
	return binary.LittleEndian.AppendUint64(b, uint64(h.Left))
}

// parse reads a head from the first HeadSize bytes of b.
func parse(b []byte) Head {
	_ = b[HeadSize-1]
	return Head{
		Length: binary.LittleEndian.Uint32(b),
		Kind:   Kind(b[4]), Flags: b[5],
		Method:      binary.LittleEndian.Uint16(b[6:]),
		Call:        binary.LittleEndian.Uint64(b[8:]),
		Object:      binary.LittleEndian.Uint64(b[16:]),
		Incarnation: binary.LittleEndian.Uint64(b[24:]),
		Left:        int64(binary.LittleEndian.Uint64(b[32:])),
	}
}
