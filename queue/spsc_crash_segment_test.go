//go:build crashtest

package queue

import (
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A close of the segment that comes in the middle of an operation waits for it: what has returned
// nil has happened, and only that.
func TestSPSCSegmentClosedAtEachPoint(t *testing.T) {
	for _, point := range []string{"spsc.begun", "spsc.written", "spsc.copied", "spsc.published", "spsc.read"} {
		for _, op := range []string{"Put", "Commit", "PutBatch", "Get", "Release", "GetBatch"} {
			t.Run(op+"/"+point, func(t *testing.T) { closeAtPoint(t, op, point) })
		}
	}
}

func closeAtPoint(t *testing.T, op, point string) {
	q, path := namedSPSC(t, 4, Options{})
	other := reopen(t, path)
	q2, err := OpenSPSC[checked](other, "q", Options{})
	wantErr(t, err, nil)
	puts := op == "Put" || op == "Commit" || op == "PutBatch"
	if !puts {
		spscPut(t, q2, 1, 3)
	}
	closed := make(chan error, 1)
	crashpoint.Trace(func(name string) {
		if name == point {
			crashpoint.Trace(nil)
			go func() { closed <- q.o.Seg.Close() }()
			proctest.Eventually(t, proctest.Hang, q.o.Seg.Closed, "the close begins")
		}
	})
	defer crashpoint.Trace(nil)
	err = spscOperations[op](q)
	if (point == "spsc.copied" || point == "spsc.read") == puts {
		return // the operation does not pass this point
	}
	wantErr(t, <-closed, nil)
	messages := uint64(1)
	if op == "PutBatch" || op == "GetBatch" {
		messages = 2
	}
	if err != nil {
		wantErr(t, err, shm.ErrClosed)
		messages = 0
	}
	if puts {
		spscGet(t, q2, 99, 98+messages)
	} else {
		spscGet(t, q2, 1+messages, 3)
	}
	_, err = q2.TryGet()
	wantErr(t, err, ErrEmpty)
	spscUsable(t, q2)
	spscAbandoned(t, q2, 0)
}
