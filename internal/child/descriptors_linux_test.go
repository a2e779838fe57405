package child

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"golang.org/x/sys/unix"
)

// inherited returns the descriptors of this process that it was started with: what Go opens is
// closed on exec.
func inherited() (fds []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, e := range entries {
		fd, _ := strconv.Atoi(e.Name())
		flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		if err == nil && flags&unix.FD_CLOEXEC == 0 {
			fds = append(fds, e.Name())
		}
	}
	slices.Sort(fds)
	return fds
}

var lists = proctest.Register("lists", func([]string) { proctest.Say("%v", inherited()) })

// A47: descriptors do not leak into children.
func TestDescriptors(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	running, _ := converse(t, in(waits, Spec{})) // its pidfd is not for others
	_ = running
	here, there, err := Link()
	if err != nil {
		t.Fatal(err)
	}
	defer here.Close()
	defer there.Close()
	for _, c := range []struct {
		files []*os.File
		want  []string
	}{{nil, []string{"0", "1", "2", "3"}}, {[]*os.File{r, there}, []string{"0", "1", "2", "3", "4", "5"}}} {
		want := append(c.want, inherited()...) // what the test itself was started with
		slices.Sort(want)
		p, talk := converse(t, in(lists, Spec{Files: c.files}))
		if got := talk.line(); got != fmt.Sprint(slices.Compact(want)) {
			t.Errorf("%d files: descriptors %s, want %v", len(c.files), got, want)
		}
		wait(t, p)
	}
	// The files are still in the poller: a deadline works.
	r.SetReadDeadline(time.Now().Add(time.Millisecond)) //clock: the deadline is the subject
	if _, err := r.Read(make([]byte, 1)); !os.IsTimeout(err) {
		t.Errorf("read: %v", err)
	}
}

func TestStartRefusesClosedFile(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	f.Close()
	if _, err := Start(Spec{Files: []*os.File{f}}); err == nil || !strings.Contains(err.Error(), "Files[0]") {
		t.Error(err)
	}
	if _, err := Start(in(waits, Spec{Dir: "/nonexistent"})); err == nil {
		t.Error("started in a directory that does not exist")
	}
}
