package command

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode/utf8"
)

// Totals counts what wc does, in the C locale, over any number of files.
type Totals struct {
	Files      int64 `json:"files"`
	Lines      int64 `json:"lines"` // newline bytes
	Words      int64 `json:"words"`
	Bytes      int64 `json:"bytes"`
	Unreadable int64 `json:"unreadable"` // files and directories
}

// Add adds o to t.
func (t *Totals) Add(o Totals) {
	t.Files += o.Files
	t.Lines += o.Lines
	t.Words += o.Words
	t.Bytes += o.Bytes
	t.Unreadable += o.Unreadable
}

// WordCount is how often a word occurs.
type WordCount struct {
	Word  string `json:"word"`
	Count int64  `json:"count"`
}

// ByRank orders the most frequent words first, and equally frequent ones alphabetically.
func ByRank(a, b WordCount) int {
	return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Word, b.Word))
}

// WriteJSON writes a report in one line. Bytes of words that are not UTF-8 are replaced.
func WriteJSON(w io.Writer, report any) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(report)
}

// WriteTotals begins a report for people. What follows says with what the files were counted, and
// killed are the things that were killed meanwhile, such as workers.
func WriteTotals(w io.Writer, t Totals, what string, killed int, killedThings string) {
	fmt.Fprintf(w, "%d files, %d lines, %d words, %d bytes\n%s\n", t.Files, t.Lines, t.Words, t.Bytes, what)
	if t.Unreadable > 0 {
		fmt.Fprintf(w, "%d files or directories could not be read\n", t.Unreadable)
	}
	if killed > 0 {
		fmt.Fprintf(w, "%d %s were killed; their work was done again\n", killed, killedThings)
	}
}

// WriteTop writes the most frequent words for people.
func WriteTop(w io.Writer, top []WordCount) {
	if len(top) > 0 {
		fmt.Fprintln(w)
	}
	for _, t := range top {
		fmt.Fprintf(w, "%12d  %s\n", t.Count, printable(t.Word))
	}
}

// printable returns the word, quoted if it has bytes that control a terminal.
func printable(word string) string {
	for _, r := range word {
		if !strconv.IsPrint(r) || r == utf8.RuneError {
			return strconv.Quote(word)
		}
	}
	return word
}
