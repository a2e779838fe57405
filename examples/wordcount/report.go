package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// report is what the program prints. Its JSON form is one object, with the totals beside the rest.
type report struct {
	Totals
	Seconds float64     `json:"seconds"`
	Workers int         `json:"workers"`
	Killed  int         `json:"killed"` // workers that died and were replaced
	Top     []WordCount `json:"top"`
}

func newReport(t Totals, top []WordCount, elapsed time.Duration, workers, killed int) report {
	if top == nil {
		top = []WordCount{} // in JSON a list, not null
	}
	return report{Totals: t, Seconds: elapsed.Seconds(), Workers: workers, Killed: killed, Top: top}
}

// writeJSON writes r in one line. Bytes of words that are not UTF-8 are replaced.
func (r report) writeJSON(w io.Writer) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(r)
}

// writeText writes r for people.
func (r report) writeText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d files, %d lines, %d words, %d bytes\n", r.Files, r.Lines, r.Words, r.Bytes)
	fmt.Fprintf(&b, "%.2f s with %d workers", r.Seconds, r.Workers)
	if r.Seconds > 0 {
		fmt.Fprintf(&b, ", %.0f MB/s", float64(r.Bytes)/1e6/r.Seconds)
	}
	b.WriteByte('\n')
	if r.Unreadable > 0 {
		fmt.Fprintf(&b, "%d files or directories could not be read\n", r.Unreadable)
	}
	if r.Killed > 0 {
		fmt.Fprintf(&b, "%d workers were killed; their work was done again\n", r.Killed)
	}
	if len(r.Top) > 0 {
		b.WriteByte('\n')
	}
	for _, t := range r.Top {
		fmt.Fprintf(&b, "%12d  %s\n", t.Count, printableWord(t.Word))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// printableWord is the word, quoted if it would do something to a terminal.
func printableWord(word string) string {
	for _, r := range word {
		if !strconv.IsPrint(r) || r == utf8.RuneError {
			return strconv.Quote(word)
		}
	}
	return word
}
