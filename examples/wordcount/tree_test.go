package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// write makes a file, and the directories above it.
func write(t *testing.T, path, content string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// files lists the names of the files that a tree gives, and checks its batches.
func files(t *testing.T, root, suffixes string) []string {
	t.Helper()
	var log bytes.Buffer
	tr, err := openTree(root, suffixes, newTrouble(&log))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for batch := range tr.batches {
		if len(batch) == 0 || len(batch) > batchFiles {
			t.Errorf("%d pieces in a batch", len(batch))
		}
		for _, p := range batch {
			if p.Offset == 0 {
				list = append(list, p.Path)
			}
		}
	}
	if log.Len() > 0 {
		t.Errorf("trouble: %s", &log)
	}
	return list
}

func find(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.Command("find", append(args, "-type", "f", "-print0")...).Output()
	if err != nil {
		t.Skipf("missing: find: %v", err)
	}
	list := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00")
	slices.Sort(list)
	return list
}

// goroot is the directory of the Go installation, a large tree that is there wherever this
// test runs.
func goroot(t testing.TB) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root, err := filepath.EvalSymlinks(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

func TestTreeIsThatOfFind(t *testing.T) {
	root := goroot(t)
	got := files(t, root, "")
	slices.Sort(got)
	if want := find(t, root); !slices.Equal(got, want) {
		t.Errorf("%d files, find lists %d", len(got), len(want))
	}
}

func TestTreeTakesRegularFilesOnly(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "a.go"), "a")
	write(t, filepath.Join(root, "b.c"), "b")
	write(t, filepath.Join(root, "dir.go", "empty.go"), "")
	write(t, filepath.Join(root, "dir.go", "name with\nnewline.h"), "c")
	if err := os.Symlink("a.go", filepath.Join(root, "link.go")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("dir.go", filepath.Join(root, "linked.go")); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(filepath.Join(root, "fifo.go"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, want := files(t, root, ""), find(t, root); !slices.Equal(got, want) || len(got) != 4 {
		t.Errorf("got %q, find says %q", got, want)
	}
	var names []string
	for _, path := range files(t, root, " .go, .h,") {
		names = append(names, filepath.Base(path))
	}
	if want := []string{"a.go", "empty.go", "name with\nnewline.h"}; !slices.Equal(names, want) {
		t.Errorf("got %q, want %q", names, want)
	}
	// The root itself may be a link, or a file.
	if got := files(t, filepath.Join(root, "linked.go"), ""); len(got) != 2 {
		t.Errorf("got %q", got)
	}
	if got := files(t, filepath.Join(root, "a.go"), ""); len(got) != 1 {
		t.Errorf("got %q", got)
	}
}

func TestTreeNeedsRoot(t *testing.T) {
	if _, err := openTree(filepath.Join(t.TempDir(), "none"), "", nil); !os.IsNotExist(err) {
		t.Errorf("got %v", err)
	}
}

func TestLargeFilesAreCut(t *testing.T) {
	for _, c := range []struct {
		size int64
		want []piece
	}{
		{0, []piece{{"f", 0, -1}}},
		{batchBytes, []piece{{"f", 0, -1}}},
		{batchBytes + 1, []piece{{"f", 0, batchBytes}, {"f", batchBytes, -1}}},
		{3 * batchBytes, []piece{{"f", 0, batchBytes}, {"f", batchBytes, batchBytes}, {"f", 2 * batchBytes, -1}}},
	} {
		var got []piece
		cut("f", c.size, func(p piece, _ int64) bool {
			got = append(got, p)
			return true
		})
		if !slices.Equal(got, c.want) {
			t.Errorf("%d bytes: got %v, want %v", c.size, got, c.want)
		}
	}
}

func TestBatchesAreBalanced(t *testing.T) {
	root := t.TempDir()
	for i := range 3 * batchFiles {
		write(t, filepath.Join(root, fmt.Sprintf("small%03d", i)), "x")
	}
	for i := range 4 {
		write(t, filepath.Join(root, fmt.Sprintf("large%d", i)), strings.Repeat("x", batchBytes*3/5))
	}
	tr, err := openTree(root, "", newTrouble(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	var sizes []int
	for batch := range tr.batches {
		sizes = append(sizes, len(batch))
	}
	if want := []int{2, 2, batchFiles, batchFiles, batchFiles}; !slices.Equal(sizes, want) {
		t.Errorf("batches have %v pieces, want %v", sizes, want)
	}
}

func TestTreeStops(t *testing.T) {
	tr, err := openTree(goroot(t), "", newTrouble(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for range tr.batches {
		if n++; n == 2 {
			break
		}
	}
	if n != 2 {
		t.Errorf("%d batches", n)
	}
}

// What disappears during the walk is named once, and the walk goes on.
func TestTreeReportsTrouble(t *testing.T) {
	root := t.TempDir()
	for i := range batchFiles {
		write(t, filepath.Join(root, "a", fmt.Sprintf("%03d", i)), "x")
	}
	write(t, filepath.Join(root, "b", "file"), "x")
	write(t, filepath.Join(root, "c"), "x")
	write(t, filepath.Join(root, "d"), "x")
	var log bytes.Buffer
	trouble := newTrouble(&log)
	tr, err := openTree(root, "", trouble)
	if err != nil {
		t.Fatal(err)
	}
	var last []piece
	first := true
	for batch := range tr.batches {
		if first {
			// The root has been listed, b and c have not been looked at.
			os.RemoveAll(filepath.Join(root, "b"))
			os.Remove(filepath.Join(root, "c"))
			first = false
		}
		last = batch
	}
	if len(last) != 1 || filepath.Base(last[0].Path) != "d" {
		t.Errorf("the last batch is %v", last)
	}
	lines := strings.Split(strings.TrimSpace(log.String()), "\n")
	if trouble.count() != 2 || len(lines) != 2 || !strings.Contains(lines[0], "/b: ") || !strings.Contains(lines[1], "/c: ") {
		t.Errorf("%d in trouble, reported %q", trouble.count(), lines)
	}
}
