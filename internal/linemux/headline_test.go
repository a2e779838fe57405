package linemux

import (
	"fmt"
	"strings"
	"testing"
)

// registers are what the Go runtime writes last when a signal has ended the program.
const registers = "\nrax    0x0\nrbx    0x6\neflags 0x246\nfs     0x0\ngs     0x0\n"

func TestHeadline(t *testing.T) {
	stacks := "\n\ngoroutine 1 [syscall]:\nruntime.cgocall(0x1)\n" + strings.Repeat("\t/go/src/x.go:1 +0x1\n", 400)
	for _, c := range []struct{ written, want string }{
		{"", ""},
		{"one\n\ntwo\n", "two"},
		{"work\npanic: ouch\n\ngoroutine 7 [running]:\n", "panic: ouch"},
		{"runtime: out of memory: cannot allocate\nfatal error: out of memory\n", "runtime: out of memory: cannot allocate"},
		{"SIGSEGV: segmentation violation\nPC=0x1 m=0 sigcode=1\nsignal arrived during cgo execution" + stacks + registers, "SIGSEGV: segmentation violation"},
		{"work\nSIGQUIT: quit\nPC=0x1 m=0 sigcode=0" + stacks + registers, "SIGQUIT: quit"},
		{"SIGABRT: abort\nPC=0x1" + stacks + registers, "SIGABRT: abort"},
		{"work\nSIGABRT: abort\nPC=0x1" + stacks + registers, "SIGABRT: abort, after: work"},
		{"a: a.c:3: f: Assertion `x' failed.\nSIGABRT: abort\nPC=0x1" + stacks + registers, "a: a.c:3: f: Assertion `x' failed. (SIGABRT: abort)"},
		{"free(): double free detected in tcache 2\nSIGABRT: abort\nPC=0x1" + registers, "free(): double free detected in tcache 2 (SIGABRT: abort)"},
		{"*** stack smashing detected ***: terminated\nSIGABRT: abort\n" + stacks, "*** stack smashing detected ***: terminated (SIGABRT: abort)"},
		{
			"terminate called after throwing an instance of 'std::runtime_error'\n  what():  boom\nSIGABRT: abort\n" + stacks + registers,
			"terminate called after throwing an instance of 'std::runtime_error' what():  boom (SIGABRT: abort)",
		},
		// What looks like a crash and is followed by more than a crash was none.
		{"panic: not really\n" + strings.Repeat("goes on\n", 400) + "why\nSIGABRT: abort\n" + stacks, "SIGABRT: abort, after: why"},
		{"SIGN: here\nSIG: there\nSIGx: it\nlast\n", "last"},
		{"SIGnal: here\nSIG: there\nlast\n", "last"},
	} {
		w := NewWriter(NewSink(&recorder{}), "Worker-1")
		for i := range len(c.written)/500 + 1 {
			fmt.Fprint(w, c.written[min(i*500, len(c.written)):min(i*500+500, len(c.written))])
		}
		w.Started(7)
		w.Close()
		kept := w.String()
		if got := Headline(kept); got != c.want {
			t.Errorf("%.60q: %q, want %q", c.written, got, c.want)
		}
		if len(kept) > lastBytes {
			t.Errorf("%.60q: %d bytes are kept", c.written, len(kept))
		}
	}
}
