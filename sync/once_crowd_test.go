//go:build linux

package shmsync_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// once-crowd: SEGMENT. 10,000 goroutines do what another process is doing, half of them until they are told.
var onceCrowded = proctest.Register("once-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	o, err := shmsync.NewOnce(seg, "o", shmsync.OnceOptions{})
	must(err)
	ctx, cancel := context.WithCancel(background)
	var wg sync.WaitGroup
	var began, done, canceled atomic.Int64
	for i := range crowd {
		wg.Go(func() {
			began.Add(1)
			mine := background
			if i%2 == 1 {
				mine = ctx
			}
			if err := o.Do(mine, func() error { panic("run again") }); err == nil {
				done.Add(1)
			} else if errors.Is(err, context.Canceled) {
				canceled.Add(1)
			} else {
				panic(err)
			}
		})
	}
	for began.Load() < crowd {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(50 * time.Millisecond)
	proctest.Say("%d", threads())
	proctest.Hear()
	cancel()
	for canceled.Load() < crowd/2 {
		time.Sleep(time.Millisecond)
	}
	proctest.Say("canceled")
	wg.Wait()
	proctest.Say("%d %d", done.Load(), threads())
})

func TestOnceCrowd(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	running, finish, got := make(chan bool), make(chan bool), make(chan error)
	go func() { got <- o.Do(background, func() error { running <- true; <-finish; return nil }) }()
	<-running
	c := proctest.Start(t, onceCrowded, seg.Path())
	var n, m int
	if fmt.Sscan(c.Line(), &n); n < 1 || n > 16 {
		t.Errorf("while all wait the process has %d threads", n)
	}
	c.Send("cancel")
	c.Expect("canceled")
	finish <- true
	wantErr(t, "do", <-got, nil)
	if fmt.Sscan(strings.TrimSpace(c.Line()), &n, &m); n != crowd/2 || m > 16 {
		t.Errorf("%d found it done, with %d threads", n, m)
	}
	c.WaitOK()
}
