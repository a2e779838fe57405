package wire

import (
	"encoding/binary"
	"errors"
	"time"
)

// ErrFormat says that bytes are no message of this package.
var ErrFormat = errors.New("cluster: a message is damaged, or of another version")

// A reader takes a message apart. After the first fault all that it returns is zero.
type reader struct {
	rest []byte
	bad  bool
}

func (r *reader) fail() { r.rest, r.bad = nil, true }

// uint returns the next number, which is at most limit.
func (r *reader) uint(limit uint64) uint64 {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > limit {
		r.fail()
		return 0
	}
	r.rest = r.rest[n:]
	return v
}

const anyNumber = 1<<64 - 1

// duration returns the next time in ns, which is not negative.
func (r *reader) duration() time.Duration { return time.Duration(r.uint(1<<63 - 1)) }

// bytes returns the next bytes, at most limit of them, as a part of the message.
func (r *reader) bytes(limit int) []byte {
	n := r.uint(uint64(min(limit, len(r.rest))))
	if n > uint64(len(r.rest)) {
		r.fail()
		return nil
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b
}

func (r *reader) text() string { return string(r.bytes(maxName)) }

// err is what was wrong with the message. all says that it must have ended.
func (r *reader) err(all bool) error {
	if r.bad || all && len(r.rest) > 0 {
		return ErrFormat
	}
	return nil
}

func appendBytes(b, item []byte) []byte {
	return append(binary.AppendUvarint(b, uint64(len(item))), item...)
}

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}
