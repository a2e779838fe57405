package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// ErrGarbage says that the bytes of a connection are no frames. The connection is of no use then.
var ErrGarbage = errors.New("the bytes are no frames")

// firstBuffer is the size in bytes of the buffer of a Reader before it meets a frame that is
// larger.
const firstBuffer = 8 << 10

// A Reader takes frames from a connection. It is used by one goroutine at a time.
type Reader struct {
	from       io.Reader
	head       Head // that Next has returned
	buf        []byte
	begin, end int // of what was read and not returned
}

// NewReader returns a Reader of the frames of a connection.
func NewReader(from io.Reader) *Reader { return &Reader{from: from, buf: make([]byte, firstBuffer)} }

// Next returns the next frame. The head and the payload are valid until the next call. After an
// error of the connection, such as a deadline, the next call goes on with what was read of the
// frame so far.
//
// Errors: [io.EOF] between two frames, [io.ErrUnexpectedEOF] within one, [ErrGarbage], those of the
// connection.
func (r *Reader) Next() (h *Head, payload []byte, err error) {
	for {
		size, err := r.size()
		if err != nil {
			return nil, nil, err
		}
		if r.end-r.begin >= size {
			break
		}
		if err := r.read(size); err != nil {
			return nil, nil, err
		}
	}
	r.head.parse(r.buf[r.begin:])
	from := r.begin + HeadSize
	r.begin = from + int(r.head.Length)
	return &r.head, r.buf[from:r.begin:r.begin], nil
}

// Peek waits until the next n bytes, which need not be a frame, have been read, and returns them.
// They are valid until the next call. After an error the next call goes on.
//
// Errors: as for Next.
func (r *Reader) Peek(n int) ([]byte, error) {
	for r.end-r.begin < n {
		if err := r.read(n); err != nil {
			return nil, err
		}
	}
	return r.buf[r.begin:][:n:n], nil
}

// Discard drops n bytes that Peek has returned.
func (r *Reader) Discard(n int) { r.begin += n }

// Buffered reports whether Next would return without a read.
func (r *Reader) Buffered() bool {
	size, err := r.size()
	return err != nil || r.end-r.begin >= size
}

// size is the size of the next frame, or of its head while that is not there.
//
// Errors: [ErrGarbage].
func (r *Reader) size() (int, error) {
	if r.end-r.begin < HeadSize {
		return HeadSize, nil
	}
	length := binary.LittleEndian.Uint32(r.buf[r.begin:])
	if length > MaxPayload {
		return 0, fmt.Errorf("%w: a payload of %d bytes, at most %d are possible", ErrGarbage, length, MaxPayload)
	}
	return HeadSize + int(length), nil
}

// read reads once, with room for so many bytes from begin on.
func (r *Reader) read(need int) error {
	if r.begin == r.end {
		r.begin, r.end = 0, 0
	}
	if r.begin+need > len(r.buf) {
		to := r.buf
		if need > len(to) {
			to = make([]byte, HeadSize+MaxPayload)
		}
		r.end = copy(to, r.buf[r.begin:r.end])
		r.begin, r.buf = 0, to
	}
	n, err := r.from.Read(r.buf[r.end:])
	r.end += n
	if n > 0 {
		return nil
	}
	if err == io.EOF && r.begin != r.end {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}
