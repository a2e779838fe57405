package main

import (
	"bytes"
	"context"
	"io"
	"os"
	"slices"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/pool"
)

// countFiles is the task of the workers.
var countFiles = pool.Define("wordcount", countBatch)

// A piece is a part of a file, or a whole one.
type piece struct {
	Path   string
	Offset int64
	Length int64 // negative: to the end of the file
}

// A batch is the argument of a task.
type batch struct {
	Pieces []piece
	Words  bool // whether the frequency of words is wanted
}

// counted is its result.
type counted struct {
	Totals command.Totals
	Failed []failure
	Words  map[string]int64
}

// A failure is a file that could not be read.
type failure struct{ Path, Reason string }

// countBatch counts pieces of files. It depends on nothing but its argument and the files, so that
// it may run again on another host.
func countBatch(ctx context.Context, b batch) (counted, error) {
	r := counted{Words: map[string]int64{}}
	for _, p := range b.Pieces {
		if err := context.Cause(ctx); err != nil {
			return counted{}, err
		}
		if err := r.piece(p, b.Words); err != nil {
			r.Failed = append(r.Failed, failure{p.Path, err.Error()})
		}
	}
	return r, nil
}

// A run is a longest possible sequence of bytes that are not separators. It is a word if one of its
// bytes is printable.
func isSeparator(b byte) bool { return b == ' ' || b >= '\t' && b <= '\r' }

func isPrintable(b byte) bool { return b >= '!' && b <= '~' }

// maxWord is how many bytes of a word count. Longer words with the same beginning count as one.
const maxWord = 255

// piece counts one piece. A word belongs to the piece that its run starts in, so that the pieces of
// a file add up to the whole.
func (r *counted) piece(p piece, words bool) error {
	f, err := os.Open(p.Path)
	if err != nil {
		return err
	}
	defer f.Close()
	if p.Offset == 0 {
		r.Totals.Files++
	}
	from := max(p.Offset-1, 0) // the byte before tells whether the piece starts inside a run
	length := p.Length
	if length < 0 {
		length = 1<<62 - p.Offset
	}
	text, err := io.ReadAll(io.NewSectionReader(f, from, p.Offset-from+length))
	inside := len(text) > 0 && p.Offset > 0 && !isSeparator(text[0])
	text = text[min(int(p.Offset-from), len(text)):]
	r.Totals.Bytes += int64(len(text))
	r.Totals.Lines += int64(bytes.Count(text, []byte{'\n'}))
	if err != nil {
		return err
	}
	if inside {
		text = text[runLength(text):]
	}
	if n := len(text); n > 0 && !isSeparator(text[n-1]) && p.Length >= 0 {
		rest, err := restOfRun(f, p.Offset+p.Length)
		if err != nil {
			return err
		}
		text = append(text, rest...)
	}
	r.scan(text, words)
	return nil
}

// restOfRun is what follows at an offset up to the next separator.
func restOfRun(f io.ReaderAt, at int64) (rest []byte, err error) {
	for {
		buf := make([]byte, 512)
		n, err := f.ReadAt(buf, at)
		length := runLength(buf[:n])
		rest = append(rest, buf[:length]...)
		if at += int64(n); length < n || err == io.EOF {
			return rest, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

// runLength is the number of bytes before the first separator.
func runLength(text []byte) int {
	for i, b := range text {
		if isSeparator(b) {
			return i
		}
	}
	return len(text)
}

// scan counts the words of a text.
func (r *counted) scan(text []byte, words bool) {
	for len(text) > 0 {
		n := runLength(text)
		if n == 0 {
			text = text[1:]
			continue
		}
		word := text[:n]
		text = text[n:]
		if !slices.ContainsFunc(word, isPrintable) {
			continue
		}
		r.Totals.Words++
		if words {
			r.Words[string(word[:min(n, maxWord)])]++
		}
	}
}
