package main

import (
	"bytes"
	"context"
	"errors"
	"iter"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	"go.uber.org/goleak"
)

// inProcess runs the tasks of all stages in this process.
func inProcess(t *testing.T, ctx context.Context) stages {
	t.Helper()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	words := new(table)
	return stages{
		count: func(tasks iter.Seq[countTask]) iter.Seq2[counted, error] {
			return each(ctx, tasks, func(ctx context.Context, t countTask) (counted, error) {
				return countPieces(ctx, t, words, seg, func(int64) {})
			})
		},
		top: func(tasks iter.Seq[topTask]) iter.Seq2[[]command.WordCount, error] {
			return each(ctx, tasks, func(_ context.Context, t topTask) ([]command.WordCount, error) { return topWords(t, words) })
		},
	}
}

func each[A, R any](ctx context.Context, tasks iter.Seq[A], f func(context.Context, A) (R, error)) iter.Seq2[R, error] {
	return func(yield func(R, error) bool) {
		for t := range tasks {
			if r, err := f(ctx, t); !yield(r, err) || err != nil {
				return
			}
		}
	}
}

func newTestJob(t *testing.T, ctx context.Context, root string, limit int) *job {
	t.Helper()
	tr, err := openTree(root, "", newTrouble(os.Stderr))
	if err != nil {
		t.Fatal(err)
	}
	return newJob(tr, limit, inProcess(t, ctx))
}

// expected counts a tree with find, wc and a map.
func expected(t *testing.T, root string, limit int) (command.Totals, []command.WordCount) {
	t.Helper()
	needGNU(t)
	list := find(t, root)
	cmd := exec.Command("wc", "-l", "-w", "-c", "--files0-from=-")
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	cmd.Stdin = strings.NewReader(strings.Join(list, "\x00"))
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	want := parseWC(t, lines[len(lines)-1])
	want.Files = int64(len(list))

	words := make(map[string]int64)
	for _, path := range list {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		_, own := plainly(data)
		for word, n := range own {
			words[word] += n
		}
	}
	var all []command.WordCount
	for word, n := range maps.All(words) {
		all = append(all, command.WordCount{Word: word, Count: n})
	}
	slices.SortFunc(all, command.ByRank)
	return want, all[:min(limit, len(all))]
}

func TestJobIsFindAndWC(t *testing.T) {
	root := filepath.Join(goroot(t), "src", "runtime")
	const limit = 100
	want, wantTop := expected(t, root, limit)
	totals, top, err := newTestJob(t, t.Context(), root, limit).run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if totals != want {
		t.Errorf("got %+v, find and wc say %+v", totals, want)
	}
	if !slices.Equal(top, wantTop) {
		t.Errorf("got %v, want %v", top, wantTop)
	}
}

// The counts of all words together are the number of words.
func TestJobCountsEveryWord(t *testing.T) {
	j := newTestJob(t, t.Context(), filepath.Join(goroot(t), "src", "net"), 1<<30)
	totals, all, err := j.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	sum := int64(0)
	for _, w := range all {
		sum += w.Count
	}
	if sum != totals.Words || sum == 0 {
		t.Errorf("%d words, but their counts are %d together", totals.Words, sum)
	}
}

func TestJobWithoutTopList(t *testing.T) {
	j := newTestJob(t, t.Context(), filepath.Join(goroot(t), "src", "sync"), 0)
	totals, top, err := j.run(t.Context())
	if err != nil || len(top) != 0 || totals.Words == 0 {
		t.Errorf("got %+v, %v, %v", totals, top, err)
	}
}

func TestJobOfEmptyTree(t *testing.T) {
	j := newTestJob(t, t.Context(), t.TempDir(), 10)
	if totals, top, err := j.run(t.Context()); totals != (command.Totals{}) || len(top) != 0 || err != nil {
		t.Errorf("got %+v, %v, %v", totals, top, err)
	}
}

func TestJobReportsUnreadable(t *testing.T) {
	root := t.TempDir()
	write(t, filepath.Join(root, "a"), "one two\n")
	write(t, filepath.Join(root, "b"), "three\n")
	var log bytes.Buffer
	tr, err := openTree(root, "", newTrouble(&log))
	if err != nil {
		t.Fatal(err)
	}
	s := inProcess(t, t.Context())
	counting := s.count
	s.count = func(tasks iter.Seq[countTask]) iter.Seq2[counted, error] {
		return counting(func(yield func(countTask) bool) {
			for task := range tasks {
				os.Remove(filepath.Join(root, "a"))
				yield(task)
			}
		})
	}
	totals, _, err := newJob(tr, 1, s).run(t.Context())
	if want := (command.Totals{Files: 1, Lines: 1, Words: 1, Bytes: 6, Unreadable: 1}); totals != want || err != nil {
		t.Errorf("got %+v, %v, want %+v", totals, err, want)
	}
	if !strings.Contains(log.String(), "wordcount: open "+filepath.Join(tr.root, "a")+": ") {
		t.Errorf("reported %q", &log)
	}
}

// A job that fails or is interrupted ends at once, with everything it has started.
func TestJobEnds(t *testing.T) {
	inProcess(t, t.Context()) // the first segment of a process starts a goroutine that stays
	before := goleak.IgnoreCurrent()
	t.Cleanup(func() { // after the segments of the jobs are closed
		if err := proctest.LeftGoroutines(before); err != nil {
			t.Error(err)
		}
	})
	broken := errors.New("broken")
	root := goroot(t)

	for name, fail := range map[string]func(*stages){
		"count": func(s *stages) { s.count = failing[countTask, counted](broken) },
		"top":   func(s *stages) { s.top = failing[topTask, []command.WordCount](broken) },
	} {
		path := root
		if name == "top" {
			path = filepath.Join(root, "src", "sync")
		}
		j := newTestJob(t, t.Context(), path, 10)
		fail(&j.stages)
		if _, _, err := j.run(t.Context()); !errors.Is(err, broken) {
			t.Errorf("%s: got %v", name, err)
		}
	}

	ctx, cancel := context.WithCancelCause(t.Context())
	j := newTestJob(t, ctx, root, 10)
	counting := j.stages.count
	j.stages.count = func(tasks iter.Seq[countTask]) iter.Seq2[counted, error] {
		cancel(broken)
		return counting(tasks)
	}
	if _, _, err := j.run(ctx); !errors.Is(err, broken) {
		t.Errorf("interrupted: got %v", err)
	}
}

// failing is a stage that fails at its second task.
func failing[A, R any](err error) func(iter.Seq[A]) iter.Seq2[R, error] {
	return func(tasks iter.Seq[A]) iter.Seq2[R, error] {
		return func(yield func(R, error) bool) {
			var r R
			n := 0
			for range tasks {
				if n++; n == 2 {
					yield(r, err)
					return
				}
				if !yield(r, nil) {
					return
				}
			}
			yield(r, err)
		}
	}
}

func TestDamagedResults(t *testing.T) {
	j := newTestJob(t, t.Context(), t.TempDir(), 10)
	if err := j.add(counted{Table: &sharedTable{Ends: make([]int, partitions+1)}}); !errors.Is(err, errDamaged) {
		t.Errorf("too many partitions: got %v", err)
	}
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	a, err := shm.NewRawArray[byte](seg, "table", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, content := range []string{"\x05four", "\x01a", "\x01a\x00", "\x01a\x80"} {
		n := copy(a.Slice(), content)
		task := topTask{Parts: []part{{a, 0, n}}, Limit: 1}
		if _, err := topWords(task, new(table)); !errors.Is(err, errDamaged) {
			t.Errorf("%q: got %v", content, err)
		}
	}
	for _, p := range []part{{a, -1, 5}, {a, 5, 4}, {a, 0, 101}} {
		if _, err := topWords(topTask{Parts: []part{p}}, new(table)); !errors.Is(err, errDamaged) {
			t.Errorf("bytes %d to %d: got %v", p.From, p.To, err)
		}
	}
}

// A table that a killed worker has left is replaced, whatever size it has.
func TestLeftTableIsReplaced(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	if _, err := shm.NewRawArray[byte](seg, "t", 7); err != nil {
		t.Fatal(err)
	}
	words := new(table)
	words.add([]byte("word"), 3)
	shared, err := share(words, seg, "t")
	if err != nil {
		t.Fatal(err)
	}
	again := new(table)
	if err := again.merge(shared.Bytes.Slice()); err != nil || !maps.Equal(again.asMap(), words.asMap()) {
		t.Errorf("got %v, %v", again.asMap(), err)
	}
}
