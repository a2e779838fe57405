package frame

import (
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
	buf        []byte
	begin, end int // of what was read and not returned
}

// NewReader returns a Reader of the frames of a connection.
func NewReader(from io.Reader) *Reader { return &Reader{from: from, buf: make([]byte, firstBuffer)} }

// Next returns the next frame. The payload is valid until the next call. After an error of the
// connection, such as a deadline, the next call goes on with what was read of the frame so far.
//
// Errors: [io.EOF] between two frames, [io.ErrUnexpectedEOF] within one, [ErrGarbage], those of the
// connection.
func (r *Reader) Next() (h Head, payload []byte, err error) {
	for {
		whole, err := r.whole()
		if err != nil {
			return Head{}, nil, err
		}
		if whole {
			break
		}
		if err := r.fill(); err != nil {
			return Head{}, nil, err
		}
	}
	h = parse(r.buf[r.begin:])
	from := r.begin + HeadSize
	r.begin = from + int(h.Length)
	return h, r.buf[from:r.begin:r.begin], nil
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
	whole, err := r.whole()
	return whole || err != nil
}

// whole reports whether the buffer begins with a whole frame, and makes room for it where not.
func (r *Reader) whole() (bool, error) {
	n := r.end - r.begin
	if n < HeadSize {
		return false, nil
	}
	length := parse(r.buf[r.begin:]).Length
	if length > MaxPayload {
		return false, fmt.Errorf("%w: a payload of %d bytes, at most %d are possible", ErrGarbage, length, MaxPayload)
	}
	return n >= HeadSize+int(length), nil
}

// fill reads once, for the next frame.
func (r *Reader) fill() error {
	need := HeadSize
	if r.end-r.begin >= HeadSize {
		need += int(parse(r.buf[r.begin:]).Length) // that whole has checked
	}
	return r.read(need)
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
