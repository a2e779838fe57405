package main

import (
	"bytes"
	"io"
	"os"

	"github.com/shmkit/shmkit/examples/wordcount/command"
)

// A run is a longest possible sequence of bytes that are not separators. It is a word if one of its
// bytes is printable. Other bytes (control characters, and in the C locale all above 127) belong to
// the run they are in, and make no word alone.
const (
	separator = 1 << iota // space, \t, \n, \v, \f, \r
	printable
)

var class = func() (class [256]uint8) {
	for b := '!'; b <= '~'; b++ {
		class[b] = printable
	}
	for _, b := range " \t\n\v\f\r" {
		class[b] = separator
	}
	return class
}()

// maxWord is how many bytes of a word the table keeps. Longer words with the same beginning count
// as one.
const maxWord = 255

// bufferBytes is the size of one read.
const bufferBytes = 128 << 10

// counter counts pieces of files. It is for one goroutine.
type counter struct {
	words  *table // frequency of each word; nil if it is not asked for
	buffer []byte

	// The run that the last buffer ended in. Empty: it ended with a separator.
	run     []byte // its first bytes, up to maxWord
	runKind uint8  // the classes of all its bytes
}

// newCounter makes a counter. It counts the frequency of words only if there is a table for it.
func newCounter(words *table) *counter {
	return &counter{words: words, buffer: make([]byte, bufferBytes), run: make([]byte, 0, maxWord)}
}

// file counts one piece and adds it to t. A word belongs to the piece that its run starts in, so
// that the pieces of a file add up to the whole. After an error t holds what was read before it.
func (c *counter) file(p piece, t *command.Totals) error {
	f, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if p.Offset == 0 {
		t.Files++
	}
	return c.piece(f, p, t)
}

func (c *counter) piece(r io.ReaderAt, p piece, t *command.Totals) error {
	c.run, c.runKind = c.run[:0], 0
	inside, err := startsInside(r, p.Offset)
	if err != nil {
		return err
	}
	for at := p.Offset; !p.endsAt(at); {
		buf := c.buffer
		if p.Length >= 0 {
			buf = buf[:min(int64(len(buf)), p.Offset+p.Length-at)]
		}
		n, err := r.ReadAt(buf, at)
		buf = buf[:n]
		at += int64(n)
		t.Bytes += int64(n)
		t.Lines += int64(bytes.Count(buf, []byte{'\n'}))
		if inside {
			buf = buf[runLength(buf):]
			inside = len(buf) == 0
		}
		t.Words += c.scan(buf)
		if err == io.EOF {
			t.Words += c.endRun()
			return nil
		}
		if err != nil {
			return err
		}
	}
	return c.finish(r, p.Offset+p.Length, t)
}

// startsInside reports whether the byte before offset is part of a run.
func startsInside(r io.ReaderAt, offset int64) (bool, error) {
	if offset == 0 {
		return false, nil
	}
	var before [1]byte
	if _, err := r.ReadAt(before[:], offset-1); err != nil && err != io.EOF {
		return false, err
	}
	return class[before[0]] != separator, nil
}

// finish reads on from at, the end of a piece, to the end of the run that the piece ends in.
func (c *counter) finish(r io.ReaderAt, at int64, t *command.Totals) error {
	for len(c.run) > 0 {
		n, err := r.ReadAt(c.buffer[:min(512, len(c.buffer))], at)
		at += int64(n)
		rest := c.buffer[:n]
		length := runLength(rest)
		c.extendRun(rest[:length])
		if length < len(rest) || err == io.EOF {
			t.Words += c.endRun()
		} else if err != nil {
			return err
		}
	}
	return nil
}

// scan counts the words of buf, which follows what was scanned before. A run that buf ends in is
// kept for the next call.
func (c *counter) scan(buf []byte) (words int64) {
	i := 0
	if len(c.run) > 0 {
		i = runLength(buf)
		c.extendRun(buf[:i])
		if i < len(buf) {
			words += c.endRun()
		}
	}
	for i < len(buf) {
		if class[buf[i]] == separator {
			i++
			continue
		}
		start, kind := i, uint8(0)
		for i < len(buf) && class[buf[i]] != separator {
			kind |= class[buf[i]]
			i++
		}
		if i == len(buf) {
			c.extendRun(buf[start:])
			break
		}
		if kind == printable {
			words++
			if c.words != nil {
				c.words.add(buf[start:min(i, start+maxWord)], 1)
			}
		}
	}
	return words
}

// extendRun adds bytes to the run in progress.
func (c *counter) extendRun(more []byte) {
	for _, b := range more {
		c.runKind |= class[b]
	}
	c.run = append(c.run, more[:min(len(more), maxWord-len(c.run))]...)
}

// endRun ends the run in progress, if there is one, and returns how many words it is.
func (c *counter) endRun() (words int64) {
	if c.runKind == printable {
		words = 1
		if c.words != nil {
			c.words.add(c.run, 1)
		}
	}
	c.run, c.runKind = c.run[:0], 0
	return words
}

// runLength is the number of bytes before the first separator.
func runLength(buf []byte) int {
	for i, b := range buf {
		if class[b] == separator {
			return i
		}
	}
	return len(buf)
}
