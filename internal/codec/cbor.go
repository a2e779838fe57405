package codec

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// The head of an item is its major type in three bits, and a number: in the five others, or in the
// 1, 2, 4 or 8 bytes that follow.
const (
	majorUint  = 0
	majorInt   = 1 // -1 minus the number
	majorBytes = 2
	majorText  = 3
	majorArray = 4
	majorMap   = 5
	majorTag   = 6
	majorOther = 7
)

const (
	simpleFalse     = 20
	simpleTrue      = 21
	simpleNull      = 22
	simpleUndefined = 23
	follows8        = 24 // the number is in the next byte
	follows16       = 25 // in the next 2; of majorOther: a float of that size
	follows32       = 26
	follows64       = 27

	tagTime    = 0
	tagSeconds = 1
	tagTyped   = 27 // an array of the name of a type and a value
)

// null is a whole item.
const null = majorOther<<5 | simpleNull

func appendHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < follows8:
		return append(b, major|byte(n))
	case n <= math.MaxUint8:
		return append(b, major|follows8, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(b, major|follows16), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(b, major|follows32), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|follows64), n)
}

func appendInt(b []byte, n int64) []byte {
	if n < 0 {
		return appendHead(b, majorInt, uint64(-1-n))
	}
	return appendHead(b, majorUint, uint64(n))
}

func appendFloat(b []byte, f float64, bits int) []byte {
	if bits == 32 {
		return binary.BigEndian.AppendUint32(append(b, majorOther<<5|follows32), math.Float32bits(float32(f)))
	}
	return binary.BigEndian.AppendUint64(append(b, majorOther<<5|follows64), math.Float64bits(f))
}

func appendText(b []byte, s string) []byte {
	return append(appendHead(b, majorText, uint64(len(s))), s...)
}

var errShort = errors.New("they end too early")

// A head is the beginning of an item.
type head struct {
	major byte
	info  byte   // the five bits
	n     uint64 // the number
}

func (h head) isNull() bool {
	return h.major == majorOther && (h.info == simpleNull || h.info == simpleUndefined)
}

// float is the number of a head, if it is one.
func (h head) float() (float64, bool) {
	switch {
	case h.major == majorUint:
		return float64(h.n), true
	case h.major == majorInt:
		return -1 - float64(h.n), true
	case h.major != majorOther:
		return 0, false
	}
	switch h.info {
	case follows16:
		return halfFloat(uint16(h.n)), true
	case follows32:
		return float64(math.Float32frombits(uint32(h.n))), true
	case follows64:
		return math.Float64frombits(h.n), true
	}
	return 0, false
}

// halfFloat is a float of 16 bits: 1 of sign, 5 of exponent, 10 of fraction.
func halfFloat(bits uint16) float64 {
	fraction, exponent := float64(bits&0x3ff), int(bits>>10&0x1f)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(fraction, -24)
	case 0x1f:
		if f = math.Inf(1); fraction != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(1024+fraction, exponent-25)
	}
	if bits>>15 != 0 {
		f = -f
	}
	return f
}

// head takes the next head. Items of indefinite length are refused.
func (d *decoder) head() (h head, err error) {
	first, err := d.take(1)
	if err != nil {
		return h, err
	}
	h.major, h.info = first[0]>>5, first[0]&31
	if h.info < follows8 {
		h.n = uint64(h.info)
		return h, nil
	}
	if h.info > follows64 {
		return h, fmt.Errorf("a head says %#x: its length is indefinite, or it is none", first[0])
	}
	number, err := d.take(1 << (h.info - follows8))
	for _, b := range number {
		h.n = h.n<<8 | uint64(b)
	}
	return h, err
}

// take takes the next n bytes.
func (d *decoder) take(n uint64) ([]byte, error) {
	if n > uint64(len(d.b)) {
		return nil, errShort
	}
	b := d.b[:n]
	d.b = d.b[n:]
	return b, nil
}
