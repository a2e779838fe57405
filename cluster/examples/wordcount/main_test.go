package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// build builds the example, as a user does.
func build(t *testing.T) (program string) {
	t.Helper()
	program = filepath.Join(t.TempDir(), "wordcount")
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return program
}

// countWith runs the program, which must succeed, and reads its JSON.
func countWith(t *testing.T, program string, args ...string) (r report) {
	t.Helper()
	out, err := exec.Command(program, append([]string{"-json"}, args...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("%v in %q", err, out)
	}
	return r
}

func TestHostsCountWhatOneMachineCounts(t *testing.T) {
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(strings.TrimSpace(string(goroot)), "src", "runtime")
	local := exec.Command("go", "run", "./examples/wordcount", "-json", "-top", "7", root)
	local.Dir = filepath.Join("..", "..", "..") // the root module, which has its dependencies
	out, err := local.Output()
	if err != nil {
		t.Fatal(err)
	}
	var want report
	if err := json.Unmarshal(out, &want); err != nil || want.Files == 0 {
		t.Fatalf("%v in %q", err, out)
	}
	program := build(t)
	for _, args := range [][]string{{"-hosts", "2"}, {"-hosts", "1", "-workers", "2"}, {"-hosts", "2", "-chaos"}} {
		r := countWith(t, program, append(args, "-top", "7", root)...)
		if r.Totals != want.Totals || !slices.Equal(r.Top, want.Top) {
			t.Errorf("%v: got %+v, want %+v", args, r, want)
		}
	}
}

func TestPiecesOfAFileAddUpToTheWhole(t *testing.T) {
	text := []byte("  a bb\x01 \x02\x03 ccc\n\ndddd e\tff")
	var whole counted
	whole.Words = map[string]int64{}
	whole.scan(text, true)
	for from := range len(text) {
		path := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		r := counted{Words: map[string]int64{}}
		for _, p := range []piece{{path, 0, int64(from)}, {path, int64(from), -1}} {
			if err := r.piece(p, true); err != nil {
				t.Fatal(err)
			}
		}
		if from == 0 {
			r.Totals.Files-- // both begin at the first byte
		}
		if r.Totals.Words != whole.Totals.Words || r.Totals.Files != 1 || r.Totals.Bytes != int64(len(text)) || r.Totals.Lines != 2 || len(r.Words) != len(whole.Words) {
			t.Errorf("cut at %d: %+v, want %+v", from, r, whole)
		}
	}
}
