package main

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/shmkit/shmkit/examples/wordcount/command"
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
	command.Totals
	Seconds float64             `json:"seconds"`
	Hosts   int                 `json:"hosts"`
	Killed  int                 `json:"killed"` // hosts that were killed and replaced
	Top     []command.WordCount `json:"top"`
}

// count counts the tree on the hosts of a pool.
func (t *tree) count(ctx context.Context, p *pool.Pool, top int) (r report, err error) {
	words := map[string]int64{}
	for c, err := range pool.IMapUnordered(ctx, p, countFiles, slices.Values(t.list(top > 0))) {
		if err != nil {
			return r, err
		}
		r.Add(c.Totals)
		for _, f := range c.Failed {
			t.note(f.Path, f.Reason)
		}
		for w, n := range c.Words {
			words[w] += n
		}
	}
	r.Unreadable = int64(len(t.failed))
	r.Top = []command.WordCount{}
	for w, n := range words {
		r.Top = append(r.Top, command.WordCount{Word: w, Count: n})
	}
	slices.SortFunc(r.Top, command.ByRank)
	r.Top = r.Top[:min(top, len(r.Top))]
	return r, nil
}

// write writes r for people, or as one JSON object.
func (r report) write(w io.Writer, asJSON bool) error {
	if asJSON {
		return command.WriteJSON(w, r)
	}
	var b strings.Builder
	command.WriteTotals(&b, r.Totals, fmt.Sprintf("%.2f s on %d hosts", r.Seconds, r.Hosts), r.Killed, "hosts")
	command.WriteTop(&b, r.Top)
	_, err := io.WriteString(w, b.String())
	return err
}
