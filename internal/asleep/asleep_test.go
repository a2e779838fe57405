package asleep_test

import (
	"context"
	"os"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestMain(m *testing.M) { proctest.Main(m) }

var roleEnds = proctest.Register("ends", func([]string) {})

// Each wait is there once it sleeps, and not before.
func TestAwait(t *testing.T) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	names := []string{"one", "two", "three"}
	for i, name := range names {
		found := proctest.MustBlock(t, func() { asleep.Await(t, seg, i+1) })
		e, err := shmsync.NewEvent(seg, name, shmsync.EventOptions{})
		if err != nil {
			t.Fatal(err)
		}
		go func() { ended <- e.Wait(ctx) }()
		proctest.Ends(t, found, "the wait is found")
		asleep.AwaitFor(t, seg, name, 1)
	}
	asleep.AwaitIn(t, seg, os.Getpid(), len(names))
	asleep.AwaitOrEnd(t, segment.Of(seg), len(names), nil)
	child := proctest.Start(t, roleEnds)
	asleep.AwaitOrEnd(t, seg, 1000, child)
	child.WaitOK()
	cancel()
	for range names {
		proctest.Ends(t, ended, "the wait ends")
	}
}
