package process

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	wire "github.com/shmkit/shmkit/internal/codec"
)

// A spawnRequest is what a new process is told, before its argument: both go through the connection
// that is its descriptor child.OrderFD, each with its length in 8 bytes in front. What comes back
// is ackMain and one more word: ackBegin, or ackFailed and a text. No word means that it has ended.
type spawnRequest struct {
	Name   string
	Daemon bool
	Parent string   // name of the parent
	Task   string   // name of the task
	ID     uint64   // of the task
	Files  []string // names of the files that follow child.OrderFD
	Nil    bool     // the argument is a nil slice
}

const (
	ackMain   = "M" // it has come to Main
	ackBegin  = "R"
	ackFailed = "E"

	maxAck = 1 << 16 // bytes of a word and its text
)

// send writes the letter and the argument.
func (l *spawnRequest) send(w io.Writer, argument []byte) error {
	l.Nil = argument == nil
	b, err := wire.Encode(l)
	if err != nil {
		return err
	}
	if err := sendFrame(w, b); err != nil {
		return err
	}
	return sendFrame(w, argument)
}

func sendFrame(w io.Writer, b []byte) error {
	if _, err := w.Write(binary.NativeEndian.AppendUint64(nil, uint64(len(b)))); err != nil {
		return err
	}
	_, err := w.Write(b)
	return err
}

// receiveRequest reads the letter and the argument.
func receiveRequest(r io.Reader) (l spawnRequest, argument []byte, err error) {
	b, err := receiveFrame(r)
	if err != nil {
		return l, nil, err
	}
	if err := wire.Decode(b, &l); err != nil {
		return l, nil, err
	}
	if argument, err = receiveFrame(r); l.Nil {
		argument = nil
	}
	return l, argument, err
}

func receiveFrame(r io.Reader) ([]byte, error) {
	var head [8]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.NativeEndian.Uint64(head[:])
	if n > math.MaxInt {
		return nil, fmt.Errorf("a frame of %d bytes", n)
	}
	b := make([]byte, n)
	_, err := io.ReadFull(r, b)
	return b, err
}

// sendAck says that the task begins, or why it does not.
func sendAck(link *os.File, failed error) error {
	word := ackBegin
	if failed != nil {
		word = ackFailed + failed.Error()
	}
	_, err := io.WriteString(link, word[:min(len(word), maxAck)])
	return err
}

// receiveAck waits for the word. It returns false and no error when none came, and whether the
// process has come to Main.
func receiveAck(link *os.File) (came, began bool, err error) {
	b, _ := io.ReadAll(io.LimitReader(link, maxAck)) // what came counts, not how it ended
	word, came := strings.CutPrefix(string(b), ackMain)
	if text, ok := strings.CutPrefix(word, ackFailed); ok {
		return came, false, fmt.Errorf("the process says: %s", text)
	}
	return came, word == ackBegin, nil
}
