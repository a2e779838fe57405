package pool

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"os"
	"strings"

	wire "github.com/shmkit/shmkit/internal/codec"
)

// A letter is what a new process is told, before its argument: both go through the connection
// that is its descriptor child.OrderFD, each with its length in 8 bytes in front. What comes back is
// wordMain and one more word: wordBegin, or wordFailed and a text. No word means that it has ended.
type letter struct {
	Name   string
	Daemon bool
	Parent string   // name of the parent
	Task   string   // name of the task
	ID     uint64   // of the task
	Files  []string // names of the files that follow child.OrderFD
}

const (
	wordMain   = "M" // it has come to Main
	wordBegin  = "R"
	wordFailed = "E"

	maxWord = 1 << 16 // bytes of a word and its text
)

// send writes the letter and the argument.
func (l *letter) send(w io.Writer, argument []byte) error {
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

// receiveLetter reads the letter and the argument.
func receiveLetter(r io.Reader) (l letter, argument []byte, err error) {
	b, err := receiveFrame(r)
	if err != nil {
		return l, nil, err
	}
	if err := wire.Decode(b, &l); err != nil {
		return l, nil, err
	}
	argument, err = receiveFrame(r)
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

// sendWord says that the task begins, or why it does not.
func sendWord(link *os.File, failed error) error {
	word := wordBegin
	if failed != nil {
		word = wordFailed + failed.Error()
	}
	_, err := io.WriteString(link, word[:min(len(word), maxWord)])
	return err
}

// receiveWord waits for the word. It returns false and no error when none came, and whether the
// process has come to Main.
func receiveWord(link *os.File) (came, began bool, err error) {
	b, _ := io.ReadAll(io.LimitReader(link, maxWord)) // what came counts, not how it ended
	word, came := strings.CutPrefix(string(b), wordMain)
	if text, ok := strings.CutPrefix(word, wordFailed); ok {
		return came, false, fmt.Errorf("the process says: %s", text)
	}
	return came, word == wordBegin, nil
}
