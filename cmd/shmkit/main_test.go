//go:build linux

package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestMain(m *testing.M) {
	pool.Main()
	proctest.Main(m)
}

var update = flag.Bool("update", false, "write the golden files")

var background = context.Background()

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

type order struct {
	ID    int64
	Price float64
	Item  [12]byte
}

// scene makes a segment with some objects, and returns it with its directory.
func scene(t testing.TB) (*shm.Segment, string) {
	t.Helper()
	dir := proctest.Dir(t)
	seg := must(shm.Create(filepath.Join(dir, "scene"), shm.Options{Size: 2 << 20, Processes: 8}))
	t.Cleanup(func() { seg.Close() })
	must(shm.NewCounter(seg, "visits")).Add(1 << 60)
	must(0, must(shm.NewValue(seg, "total", order{})).Store(background, order{7, 2.5, [12]byte{'t', 'e', 'a'}}))
	must(shm.NewFloat64(seg, "odd \x1b[31mname", 0.5))
	orders := must(queue.NewQueue[order](seg, "orders", 4, queue.Options{}))
	for i := range int64(3) {
		must(0, orders.Put(background, order{ID: i}))
	}
	must(0, must(queue.NewObjects[map[string]int](seg, "notes", 200, queue.Options{})).Put(background, map[string]int{"a": 1}))
	must(0, must(shm.NewDict[string, int64](seg, "stock", shm.DictOptions{})).Set(background, "tea", 12))
	must(shmsync.NewMutex(seg, "ledger", shmsync.MutexOptions{}))
	must(shmsync.NewSemaphore(seg, "desks", 3, shmsync.SemaphoreOptions{Undo: true}))
	return seg, dir
}

// call runs the tool.
func call(args ...string) (stdout, stderr string, code int) {
	var out, err bytes.Buffer
	code = run(args, &out, &err)
	return out.String(), err.String(), code
}

var varies = []struct {
	pattern *regexp.Regexp
	with    string
}{
	{regexp.MustCompile(`/dev/shm/shmkit-test-[0-9]+-[0-9]+`), "DIR"},
	{regexp.MustCompile(`[0-9a-f]{32}`), "IDENTITY"},
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+(Z|[+-]\d\d:\d\d)`), "TIME"},
	{regexp.MustCompile(`\b\d+(\.\d)? [smhd]\b`), "SPAN"},
	{regexp.MustCompile(`"(pid|hostPid)": \d+`), `"$1": 1`},
	{regexp.MustCompile(`"program": "[^"]*"`), `"program": "PROGRAM"`},
	{regexp.MustCompile(`\(pid \d+\)`), "(pid 1)"},
	{regexp.MustCompile(`"(reservedBytes|freeBytes)": \d+`), `"$1": 1`},
	{regexp.MustCompile(`\d+(\.\d)? KiB( take memory| +8 )`), "N KiB$2"},
	{regexp.MustCompile(`\d+(\.\d)? MiB are free`), "N MiB are free"},
	{regexp.MustCompile(`"state": "(running|sleeping|closed|living|in the kernel)"`), `"state": "STATE"`},
	{regexp.MustCompile(`([0-9]+ +)\S+ +(running|sleeping|closed|in the kernel) `), "${1}PROGRAM STATE "},
	{regexp.MustCompile(`(?m)^(  scene +)\d+ `), "${1}1 "},
	{regexp.MustCompile(`(\S)  +`), "$1  "},
	{regexp.MustCompile(` +(\n|$)`), "$1"},
}

// steady is text without what differs from run to run.
func steady(text string) string {
	for _, v := range varies {
		text = v.pattern.ReplaceAllString(text, v.with)
	}
	return text
}

// golden compares text with a file.
func golden(t *testing.T, name, text string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		must(0, os.WriteFile(path, []byte(text), 0o644))
	}
	want, err := os.ReadFile(path)
	if err != nil || string(want) != text {
		t.Errorf("%s: %v, want\n%s\ngot\n%s", name, err, want, text)
	}
}

// Each command gives the same answer as text and as JSON, which the schema allows.
func TestAnswers(t *testing.T) {
	seg, dir := scene(t)
	must(0, seg.Close())
	schema := strictSchema(t)
	for _, args := range [][]string{
		{"ls"}, {"show", "scene"}, {"show", "scene", "orders", "-peek", "2", "-type"}, {"show", "scene", "stock"},
		{"ps", "scene", "-a"}, {"locks", "scene"}, {"pool"}, {"check", "scene"}, {"gc"}, {"header", "scene", "total"},
		{"header", "scene", "total", "-lang", "python"},
	} {
		name := strings.Join(args, "-")
		args = append(args, "-dir", dir)
		text, stderr, code := call(args...)
		if code != 0 || stderr != "" {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
		golden(t, name, steady(text))
		text, _, code = call(append(args, "-json")...)
		if code != 0 {
			t.Errorf("%v: exit code %d as JSON", args, code)
		}
		if err := validate(schema, text); err != nil {
			t.Errorf("%v: %v in %s", args, err, text)
		}
		golden(t, name+".json", steady(text))
	}
	// These answers depend on the machine.
	for _, args := range [][]string{{"doctor"}, {"version"}, {"top", "-n", "1"}, {"watch", "scene", "orders", "-n", "1"}, {"dump", "scene", filepath.Join(dir, "copy")}, {"rm", "scene"}} {
		text, _, _ := call(append(args, "-dir", dir, "-json")...)
		if err := validate(schema, text); err != nil {
			t.Errorf("%v: %v in %s", args, err, text)
		}
	}
}

func TestExitCodes(t *testing.T) {
	seg, dir := scene(t)
	text := filepath.Join(dir, "text")
	must(0, os.WriteFile(text, []byte("no segment"), 0o600))
	data := must(os.ReadFile(seg.Path()))
	data[8]++ // the version
	other := filepath.Join(dir, "other")
	must(0, os.WriteFile(other, data, 0o600))
	data[8]--
	for i := range data[len(data)-100:] {
		data[len(data)-100:][i] = 0
	}
	for _, c := range []struct {
		code int
		args []string
	}{
		{exitOK, []string{"ls"}}, {exitOK, []string{"help"}}, {exitOK, []string{"show", "--help"}},
		{exitUsage, []string{"bogus"}}, {exitUsage, []string{"ls", "-bogus"}}, {exitUsage, []string{"show"}},
		{exitUsage, []string{"ls", "-s", "bogus"}}, {exitUsage, []string{"show", "scene", "-range", "x"}},
		{exitMissing, []string{"show", "missing"}}, {exitMissing, []string{"show", "scene", "missing"}},
		{exitMissing, []string{"rm", "missing"}}, {exitOK, []string{"rm", "missing", "-f"}},
		{exitFormat, []string{"show", text}}, {exitFormat, []string{"show", other}}, {exitFormat, []string{"rm", text}},
		{exitInUse, []string{"rm", "scene"}},
		{exitOK, []string{"watch", "scene", "orders", "-until", "messages==3"}},
		{exitBad, []string{"watch", "scene", "orders", "-until", "messages==0", "-n", "2", "-d", "1ms"}},
	} {
		if stdout, stderr, code := call(append(c.args, "-dir", dir)...); code != c.code {
			t.Errorf("%v: exit code %d, want %d: %s%s", c.args, code, c.code, stdout, stderr)
		}
	}
	must(0, seg.Close())
	if _, stderr, code := call("rm", "scene", "-dir", dir); code != exitOK {
		t.Errorf("rm of a closed segment: %d, %s", code, stderr)
	}
	if _, err := os.Stat(seg.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the segment is there: %v", err)
	}
	// What no program of this version can open is left behind, and so is what no process uses.
	if out, _, code := call("gc", "-check", "-older", "0s", "-dir", dir); code != exitBad || !strings.Contains(out, other) {
		t.Errorf("gc: %d, %s", code, out)
	}
	if out, _, _ := call("gc", "-delete", "-older", "0s", "-dir", dir); !strings.Contains(out, "removed: "+other) {
		t.Errorf("gc -delete: %s", out)
	}
}

// What goes on until a signal comes tells by its exit code that one came.
func TestSignalsHaveAnExitCode(t *testing.T) {
	_, dir := scene(t)
	for _, c := range []struct {
		shows string
		args  []string
	}{
		{`Queue "orders"`, []string{"watch", "scene", "orders"}},
		{"scene", []string{"top", "-b"}}, {"top", []string{"top", "-json"}}, {"no process waits", []string{"locks", "-watch", "1m"}},
	} {
		for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
			child := proctest.Start(t, roleTool, append(c.args, "-dir", dir)...)
			for !strings.Contains(child.Line(), c.shows) {
			}
			child.Signal(signal)
			if code := child.Wait().ExitCode(); code != exitSignal {
				t.Errorf("%v, %v: exit code %d", c.args, signal, code)
			}
		}
	}
}

// A cycle, and a lock that a dead process has left, are bad news.
func TestLocksShowsACycle(t *testing.T) {
	seg, dir := scene(t)
	a, b := proctest.Start(t, roleCross, seg.Path(), "a", "b"), proctest.Start(t, roleCross, seg.Path(), "b", "a")
	for _, c := range []*proctest.Child{a, b} {
		c.Expect("has one")
	}
	a.Send("go on")
	b.Send("go on")
	proctest.Eventually(t, proctest.Hang, func() bool {
		out, _, code := call("locks", "scene", "-dir", dir)
		return code == exitBad && strings.Contains(out, "a cycle of 2") && strings.Contains(out, `Mutex "a" (lock), held by`)
	}, "no cycle is shown")
	a.Kill()
	proctest.Eventually(t, proctest.Hang, func() bool {
		out, _, code := call("locks", "scene", "-dir", dir)
		return code == exitBad && strings.Contains(out, `Mutex "a" was left by a process that died`)
	}, "no lock of the dead is shown")
	for _, command := range []string{"show", "doctor"} {
		proctest.Eventually(t, proctest.Hang, func() bool {
			out, _, _ := call(command, "scene", "-dir", dir)
			return strings.Contains(out, "deaths 1, takeovers 0") && strings.Contains(out, "died, as")
		}, command+" shows no death")
	}
	for _, command := range [][]string{{"locks"}, {"ps", "-a"}, {"show"}, {"top", "-n", "1"}} {
		out, _, _ := call(append(command, "scene", "-dir", dir, "-json")...)
		if err := validate(strictSchema(t), out); err != nil {
			t.Errorf("%s: %v in %s", command, err, out)
		}
	}
	b.Kill()
}

var roleCross = proctest.Register("tool: cross", func(args []string) {
	seg := must(shm.Open(args[0]))
	// without the search for cycles, which would refuse the second lock
	first := must(shmsync.NewMutex(seg, args[1], shmsync.MutexOptions{}))
	second := must(shmsync.NewMutex(seg, args[2], shmsync.MutexOptions{}))
	must(0, first.Lock(background))
	proctest.Say("has one")
	proctest.Hear()
	fmt.Fprintln(os.Stderr, second.Lock(background))
	proctest.Forever()
})

// hoard makes a segment with an object of each kind that holds values, the secret in each.
func hoard(t *testing.T, secret string) *shm.Segment {
	t.Helper()
	type box struct{ Text [16]byte }
	var b box
	copy(b.Text[:], secret)
	seg := must(shm.Create(filepath.Join(proctest.Dir(t), "hoard"), shm.Options{Size: 8 << 20, Processes: 8}))
	t.Cleanup(func() { seg.Close() })
	must(0, must(shm.NewValue(seg, "value", b)).Store(background, b))
	must(shm.NewRawValue(seg, "raw value", b))
	must(shm.NewCounter(seg, "counter")).Add(5)
	must(0, must(shm.NewArray[box](seg, "array", 4)).Set(background, 1, b))
	must(shm.NewRawArray[box](seg, "raw array", 4)).Set(1, b)
	must(must(shm.NewList[box](seg, "list")).Append(background, b))
	must(shm.NewVar(seg, "short var", secret))
	must(0, must(shm.NewVar(seg, "long var", "")).Store(background, strings.Repeat(secret, 200)))
	must(0, must(shm.NewDict[string, box](seg, "records", shm.DictOptions{})).Set(background, secret, b))
	must(0, must(shm.NewDict[[8]byte, [8]byte](seg, "words", shm.DictOptions{})).Set(background, [8]byte(b.Text[:8]), [8]byte(b.Text[:8])))
	q := must(queue.NewQueue[box](seg, "queue", 4, queue.Options{Joinable: true}))
	for range 3 {
		must(0, q.Put(background, b))
	}
	must(q.Get(background))
	must(0, must(queue.NewSPSC[box](seg, "spsc", 4, queue.Options{})).Put(background, b))
	must(0, must(queue.NewBytes(seg, "bytes", 200, queue.Options{})).Put(background, b.Text[:]))
	must(0, must(queue.NewObjects[string](seg, "objects", 200, queue.Options{})).Put(background, secret))
	must(0, must(queue.NewBroadcast[box](seg, "cast", 4, queue.Options{})).Put(background, b))
	must(0, must(queue.NewBroadcast[box](seg, "old cast", 4, queue.Options{WhenFull: queue.DropOldest})).Put(background, b))
	must(0, must(queue.NewBroadcastBytes(seg, "byte cast", 4096, queue.Options{})).Put(background, b.Text[:]))
	must(shmsync.NewMutex(seg, "mutex", shmsync.MutexOptions{}))
	must(shmsync.NewSemaphore(seg, "semaphore", 3, shmsync.SemaphoreOptions{Undo: true}))
	return seg
}

// show reads the answer of show -json, which must have the strict schema, to answer.
func show(t *testing.T, path string, answer any) {
	t.Helper()
	out, stderr, code := call("show", path, "-json")
	if code != 0 {
		t.Fatal(stderr)
	}
	if err := validate(strictSchema(t), out); err != nil {
		t.Error(err)
	}
	must(0, json.Unmarshal([]byte(out), answer))
}

// statesOf are the facts of all objects of a segment or a copy, by name.
func statesOf(t *testing.T, path string) map[string]string {
	t.Helper()
	var a struct {
		Segments []struct {
			ObjectList []struct {
				Name, Error string
				State       json.RawMessage
			}
		}
	}
	show(t, path, &a)
	states := map[string]string{}
	for _, o := range a.Segments[0].ObjectList {
		states[o.Name] = string(o.State) + o.Error
	}
	return states
}

// A dump is read like the segment: as much is known of each object. A scrubbed one holds none of
// the values.
func TestDump(t *testing.T) {
	const secret = "s3cretss"
	seg := hoard(t, secret)
	want := statesOf(t, seg.Path())
	if len(want) != 19 {
		t.Errorf("%d objects", len(want))
	}
	for _, scrub := range []bool{false, true} {
		path := filepath.Join(t.TempDir(), "copy")
		if _, stderr, code := call("dump", seg.Path(), path, fmt.Sprintf("-scrub=%v", scrub)); code != 0 {
			t.Fatal(stderr)
		}
		if holds := bytes.Contains(must(os.ReadFile(path)), []byte(secret)); holds == scrub {
			t.Errorf("scrub %v: the copy holds the values: %v", scrub, holds)
		}
		got := statesOf(t, path)
		for name, state := range want {
			if got[name] != state {
				t.Errorf("scrub %v: %s is %s, was %s", scrub, name, got[name], state)
			}
		}
		if out, _, code := call("show", path, "semaphore"); code != 0 || !strings.Contains(out, "units 3") {
			t.Errorf("scrub %v: %d %s", scrub, code, out)
		}
	}
}

// The compiler agrees with what header writes.
func TestHeaderCompiles(t *testing.T) {
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("gcc is not installed")
	}
	seg, _ := scene(t)
	text, _, _ := call("header", seg.Path())
	path := filepath.Join(t.TempDir(), "types.c")
	must(0, os.WriteFile(path, []byte(text), 0o600))
	if out, err := exec.Command(gcc, "-std=c11", "-fsyntax-only", path).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s\n%s", err, out, text)
	}
}

func TestColours(t *testing.T) {
	seg, dir := scene(t)
	must(0, os.WriteFile(filepath.Join(dir, "cut"), must(os.ReadFile(seg.Path()))[:200<<10], 0o600))
	for _, c := range []struct {
		args []string
		want bool
	}{{nil, false}, {[]string{"-color", "always"}, true}, {[]string{"-color", "never"}, false}} {
		out, _, _ := call(append([]string{"ls", "-dir", dir}, c.args...)...)
		if strings.Contains(out, "\x1b[") != c.want || !strings.Contains(out, "!") {
			t.Errorf("%v: %q", c.args, out)
		}
	}
}

func TestManualAndCompletion(t *testing.T) {
	dir := t.TempDir()
	if _, stderr, code := call("man", dir); code != 0 {
		t.Fatal(stderr)
	}
	for _, name := range []string{"ls", "show", "ps", "locks", "pool", "top", "watch", "doctor", "check", "gc", "rm", "dump", "header", "bench", "man", "version"} {
		if _, err := os.Stat(filepath.Join(dir, "shmkit-"+name+".1")); err != nil {
			t.Error(err)
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish"} {
		if out, _, code := call("completion", shell); code != 0 || !strings.Contains(out, "shmkit") {
			t.Errorf("%s: %d", shell, code)
		}
	}
	seg, segDir := scene(t)
	out, _, _ := call("__complete", "-dir", segDir, "show", seg.Path(), "")
	if !strings.Contains(out, "ledger") || !strings.Contains(out, "stock") {
		t.Errorf("the names of objects: %s", out)
	}
}
