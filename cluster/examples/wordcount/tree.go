package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/shmkit/shmkit/pool"
)

// Sizes of the work of one task.
const (
	batchBytes = 2 << 20
	batchFiles = 256
)

// A tree is a directory tree of regular files that are to be counted. It follows no symbolic links
// but the root itself.
type tree struct {
	root     string
	suffixes []string // of the file names wanted; empty: all
	stderr   io.Writer
	failed   map[string]bool
}

func openTree(root, suffixes string, stderr io.Writer) (*tree, error) {
	root, err := filepath.Abs(root)
	if err == nil {
		root, err = filepath.EvalSymlinks(root)
	}
	if err != nil {
		return nil, err
	}
	t := &tree{root: root, stderr: stderr, failed: map[string]bool{}}
	for s := range strings.SplitSeq(suffixes, ",") {
		if s = strings.TrimSpace(s); s != "" {
			t.suffixes = append(t.suffixes, s)
		}
	}
	return t, nil
}

// note reports a path that cannot be read, once.
func (t *tree) note(path, reason string) {
	if !t.failed[path] {
		t.failed[path] = true
		fmt.Fprintf(t.stderr, "wordcount: %s\n", reason)
	}
}

func (t *tree) wants(path string) bool {
	return len(t.suffixes) == 0 || slices.ContainsFunc(t.suffixes, func(s string) bool { return strings.HasSuffix(path, s) })
}

// list returns the files of the tree, in batches.
func (t *tree) list(words bool) (all []batch) {
	var b batch
	size := int64(0)
	add := func(p piece, bytes int64) {
		b.Pieces = append(b.Pieces, p)
		if size += bytes; size >= batchBytes || len(b.Pieces) >= batchFiles {
			b.Words = words
			all = append(all, b)
			b, size = batch{}, 0
		}
	}
	filepath.WalkDir(t.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			t.note(path, err.Error())
			return nil
		}
		if !d.Type().IsRegular() || !t.wants(path) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			t.note(path, err.Error())
			return nil
		}
		offset := int64(0)
		for ; info.Size()-offset > batchBytes; offset += batchBytes {
			add(piece{path, offset, batchBytes}, batchBytes)
		}
		add(piece{path, offset, -1}, info.Size()-offset)
		return nil
	})
	if len(b.Pieces) > 0 {
		b.Words = words
		all = append(all, b)
	}
	return all
}

// A report is the output of the program.
type report struct {
	Totals
	Seconds float64     `json:"seconds"`
	Hosts   int         `json:"hosts"`
	Killed  int         `json:"killed"` // hosts that were killed and replaced
	Top     []WordCount `json:"top"`
}

// WordCount is how often a word occurs.
type WordCount struct {
	Word  string `json:"word"`
	Count int64  `json:"count"`
}

// count counts the tree on the hosts of a pool.
func (t *tree) count(ctx context.Context, p *pool.Pool, top int) (r report, err error) {
	words := map[string]int64{}
	for c, err := range pool.IMapUnordered(ctx, p, countFiles, slices.Values(t.list(top > 0))) {
		if err != nil {
			return r, err
		}
		r.Files += c.Totals.Files
		r.Lines += c.Totals.Lines
		r.Words += c.Totals.Words
		r.Bytes += c.Totals.Bytes
		for _, f := range c.Failed {
			t.note(f.Path, f.Reason)
		}
		for w, n := range c.Words {
			words[w] += n
		}
	}
	r.Unreadable = int64(len(t.failed))
	r.Top = []WordCount{}
	for w, n := range words {
		r.Top = append(r.Top, WordCount{w, n})
	}
	slices.SortFunc(r.Top, func(a, b WordCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), strings.Compare(a.Word, b.Word))
	})
	r.Top = r.Top[:min(top, len(r.Top))]
	return r, nil
}

// write writes r for people, or as one JSON object.
func (r report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%d files, %d lines, %d words, %d bytes\n", r.Files, r.Lines, r.Words, r.Bytes)
	fmt.Fprintf(&b, "%.2f s on %d hosts\n", r.Seconds, r.Hosts)
	if r.Unreadable > 0 {
		fmt.Fprintf(&b, "%d files or directories could not be read\n", r.Unreadable)
	}
	if r.Killed > 0 {
		fmt.Fprintf(&b, "%d hosts were killed; their work was done again\n", r.Killed)
	}
	if len(r.Top) > 0 {
		b.WriteByte('\n')
	}
	for _, t := range r.Top {
		fmt.Fprintf(&b, "%12d  %s\n", t.Count, printable(t.Word))
	}
	_, err := io.WriteString(w, b.String())
	return err
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
