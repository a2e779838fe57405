//go:build linux

package proctab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"pgregory.net/rapid"
)

func TestInfoNamesTheLivingAndTheDead(t *testing.T) {
	f, path := openTable(t, 1)
	before := time.Now()
	child := proctest.Start(t, roleMember, path)
	o, _, _ := attached(t, child)
	check := func(when string) {
		t.Helper()
		i, ok := f.Info(o)
		self, err := os.Readlink("/proc/self/exe")
		if err != nil {
			t.Fatal(err)
		}
		if !ok || i.PID != child.PID() || i.Started.Before(before) || i.Started.After(time.Now()) {
			t.Errorf("%s: %+v, %t", when, i, ok)
		}
		if i.Program != "exe" && !strings.HasPrefix(filepath.Base(self), i.Program) {
			t.Errorf("%s: program %q", when, i.Program)
		}
	}
	// The stamp for people comes right after the claim, and the child has said its id after that.
	check("alive")
	child.Kill()
	check("dead")
	m := f.mustAttach()
	defer m.Detach()
	if i, ok := f.Info(o); ok || i.String() != "an unknown process" {
		t.Errorf("after another has its slot: %v, %t", i, ok)
	}
	if i, ok := f.Info(m.ID()); !ok || i.PID != os.Getpid() {
		t.Errorf("of this process: %v, %t", i, ok)
	}
}

// A process that died before it had described itself is not taken for the one before it.
func TestInfoOfOneThatHasNotSaid(t *testing.T) {
	f, path := openTable(t, 1)
	child := proctest.Start(t, roleMember, path)
	o, _, _ := attached(t, child)
	child.Kill()
	f.slots[0].word.Store(claimed(f.slots[0].word.Load(), 1)&^tidMask | ownerDied)
	if i, ok := f.Info(ownerOf(0, nextEpoch(o.epoch()))); ok {
		t.Errorf("%v", i)
	}
}

func TestInfoOfIDsThatDoNotExist(t *testing.T) {
	f, _ := openTable(t, 3)
	for _, o := range []Owner{0, 1, 3, MaxSlots - 1, ownerOf(2, 7), OwnerMask, ^Owner(0)} {
		if i, ok := f.Info(o); ok {
			t.Errorf("%#x: %v", o, i)
		}
	}
}

func TestInfoString(t *testing.T) {
	for _, c := range []struct {
		info Info
		want string
	}{
		{Info{}, "an unknown process"},
		{Info{PID: 12}, "process 12"},
		{Info{PID: 12, Program: "worker"}, "worker (pid 12)"},
	} {
		if got := c.info.String(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
}

func TestProgramNames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.String().Draw(t, "name")
		got := unpackName(packName(name))
		if len(got) > len(name) {
			t.Fatalf("%q became %q", name, got)
		}
		plain := strings.IndexFunc(name, func(r rune) bool { return r < ' ' || r > '~' }) < 0
		if plain && got != name[:min(len(name), programBytes-1)] {
			t.Fatalf("%q became %q", name, got)
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		words := [programWords]uint64(rapid.SliceOfN(rapid.Uint64(), programWords, programWords).Draw(t, "words"))
		for _, r := range unpackName(words) {
			if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
				t.Fatalf("%x became %q", words, unpackName(words))
			}
		}
	})
}
