package main

import (
	"io/fs"
	"path/filepath"
	"strings"
)

// Sizes of the work of one task. A task takes some milliseconds: long enough to hide what it costs
// to hand over, short enough that little is done again when its worker is killed.
const (
	batchBytes = 2 << 20
	batchFiles = 256
)

// piece is a part of a file, or a whole one. Large files are cut, so that many workers share them.
type piece struct {
	Path   string
	Offset int64 // in bytes
	Length int64 // in bytes; negative: to the end of the file
}

// endsAt reports whether the piece ends at or before a byte of the file.
func (p piece) endsAt(at int64) bool {
	return p.Length >= 0 && at >= p.Offset+p.Length
}

// tree is a directory tree of regular files that are to be counted, as find -type f lists them: it
// follows no symbolic links but the root itself.
type tree struct {
	root     string   // absolute
	suffixes []string // of the file names wanted; empty: all
	trouble  *trouble
}

// openTree looks at the root, which must exist.
func openTree(root, suffixes string, t *trouble) (*tree, error) {
	root, err := filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	var list []string
	for s := range strings.SplitSeq(suffixes, ",") {
		if s = strings.TrimSpace(s); s != "" {
			list = append(list, s)
		}
	}
	return &tree{root: root, suffixes: list, trouble: t}, nil
}

// batches gives the files of the tree, in lexical order, in batches of about batchBytes and at most
// batchFiles pieces. What cannot be read is noted as trouble.
func (t *tree) batches(yield func([]piece) bool) {
	var batch []piece
	size := int64(0)
	flush := func() bool {
		full := batch
		batch, size = nil, 0
		return yield(full)
	}
	add := func(p piece, bytes int64) bool {
		batch = append(batch, p)
		size += bytes
		return size < batchBytes && len(batch) < batchFiles || flush()
	}
	err := filepath.WalkDir(t.root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			t.trouble.note(path, err)
			return nil
		}
		if !d.Type().IsRegular() || !t.wants(path) {
			return nil
		}
		info, err := d.Info()
		if err != nil {
			t.trouble.note(path, err)
			return nil
		}
		if !cut(path, info.Size(), add) {
			return fs.SkipAll
		}
		return nil
	})
	if err == nil && len(batch) > 0 {
		flush()
	}
}

// cut gives a file of some size to add, in pieces of batchBytes, until add returns false. The last
// one goes to wherever the file ends when it is read.
func cut(path string, size int64, add func(p piece, bytes int64) bool) bool {
	offset := int64(0)
	for ; size-offset > batchBytes; offset += batchBytes {
		if !add(piece{Path: path, Offset: offset, Length: batchBytes}, batchBytes) {
			return false
		}
	}
	return add(piece{Path: path, Offset: offset, Length: -1}, size-offset)
}

// wants reports whether the name of a file has one of the suffixes.
func (t *tree) wants(path string) bool {
	for _, s := range t.suffixes {
		if strings.HasSuffix(path, s) {
			return true
		}
	}
	return len(t.suffixes) == 0
}
