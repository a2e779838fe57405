//go:build linux

package shmsync_test

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// once-crowd: SEGMENT. A crowd does what another process is doing. In the end it says once more how
// many threads there are.
var onceCrowded = proctest.Register("once-crowd", func(args []string) {
	seg, err := shm.Open(args[0])
	must(err)
	o, err := shmsync.NewOnce(seg, "o", shmsync.OnceOptions{})
	must(err)
	blockCrowd(func(ctx context.Context, _ int) error { return o.Do(ctx, func() error { panic("run again") }) })
	proctest.Say("%d", threads())
})

func TestOnceCrowd(t *testing.T) {
	seg := newSegment(t)
	o := newOnce(t, seg)
	running, finish, got := make(chan bool), make(chan bool), make(chan error)
	go func() { got <- o.Do(background, func() error { running <- true; <-finish; return nil }) }()
	<-running
	c := proctest.Start(t, onceCrowded, seg.Path())
	checkCrowd(t, c, func() {
		finish <- true
		wantErr(t, "do", <-got, nil)
	})
	checkThreads(t, c, "in the end")
	c.WaitOK()
}
