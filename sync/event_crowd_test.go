//go:build linux

package shmsync_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A39: ten processes of ten goroutines wait, and all return from one Set, again and again.
func TestEventStorm(t *testing.T) {
	seg := newSegment(t)
	e := newEvent(t, seg, "a")
	var all []*proctest.Child
	for range 10 {
		all = append(all, startEventAgent(t, seg, shmsync.Adaptive))
	}
	for range 3 {
		for _, c := range all {
			c.Send("crowd 10")
		}
		for _, c := range all {
			c.Line()
		}
		e.Set()
		for _, c := range all {
			c.Expect("ok")
		}
		e.Clear()
	}
	for _, c := range all {
		c.Kill()
	}
}

// 10,000 goroutines of one process need few threads, and all return.
func TestEventCrowd(t *testing.T) {
	seg := newSegment(t)
	e := newEvent(t, seg, "a")
	c := startEventAgent(t, seg, shmsync.Adaptive)
	c.Send(fmt.Sprint("crowd ", crowd))
	var n int
	if fmt.Sscanf(c.Line(), "waiting with %d threads", &n); n < 1 || n > proctest.FewThreads {
		t.Errorf("the process has %d threads", n)
	}
	began := time.Now()
	e.Set()
	c.Expect("ok")
	t.Logf("%d goroutines were through after %v", crowd, time.Since(began))
	c.Kill()
}
