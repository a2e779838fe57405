//go:build linux

package bench

import (
	"encoding/binary"
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// A message begins and ends with the same word, its number.
type message interface {
	[8]uint64 | [128]uint64 | [8192]uint64 | [131072]uint64
}

// payload is a length of messages.
type payload struct {
	name  string
	bytes int
}

var payloads = []payload{{"64B", 64}, {"1KiB", 1 << 10}, {"64KiB", 64 << 10}, {"1MiB", 1 << 20}}

// long says that messages are written and read in place, by kinds that can do so.
func (p payload) long() bool { return p.bytes >= 64<<10 }

func writeWords[T message](m *T, number uint64) { (*m)[0], (*m)[len(*m)-1] = number, number }

// readWords returns the number of the message.
func readWords[T message](m *T) (number uint64, err error) {
	if (*m)[0] != (*m)[len(*m)-1] {
		return 0, fmt.Errorf("a message begins with %d and ends with %d", (*m)[0], (*m)[len(*m)-1])
	}
	return (*m)[0], nil
}

func writeBytes(b []byte, number uint64) {
	binary.NativeEndian.PutUint64(b, number)
	binary.NativeEndian.PutUint64(b[len(b)-8:], number)
}

// readBytes is readWords for a message that must have a length.
func readBytes(b []byte, length int) (number uint64, err error) {
	if len(b) != length {
		return 0, fmt.Errorf("a message has %d bytes, want %d", len(b), length)
	}
	first, last := binary.NativeEndian.Uint64(b), binary.NativeEndian.Uint64(b[len(b)-8:])
	if first != last {
		return 0, fmt.Errorf("a message begins with %d and ends with %d", first, last)
	}
	return first, nil
}

// retry calls f until it succeeds. Another process is still making the objects that f needs.
func retry(f func() error) error {
	for end := time.Now().Add(proctest.Hang); ; time.Sleep(time.Millisecond) {
		if err := f(); err == nil || time.Now().After(end) {
			return err
		}
	}
}
