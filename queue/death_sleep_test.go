package queue

import (
	"fmt"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/asleep"
	"github.com/shmkit/shmkit/internal/proctest"
)

// A sleeper that waits for a process goes on when that is killed, and not only when it looks again
// a second later.
func TestSleepersSeeTheDeath(t *testing.T) {
	for _, scene := range []string{"put", "get", "get behind"} {
		t.Run(scene, func(t *testing.T) {
			for range 5 {
				deathWakes(t, scene)
			}
		})
	}
}

// deathWakes has this process go on after the death of a child which holds it up: one that
// puts, or gets, while this one puts; or one that puts while this one gets what comes behind.
func deathWakes(t *testing.T, scene string) {
	op, behind := strings.CutSuffix(scene, " behind")
	if behind {
		op = "put"
	}
	capacity := 1
	if behind {
		capacity = 2
	}
	q, path := namedQueue[checked](t, capacity, Options{})
	if op == "get" {
		putChecked(t, q, 1, 1)
	}
	child := proctest.Start(t, roleClaim, path, op)
	child.Expect("claimed")
	wait := func() error { return q.Put(background, messageOf(2)) }
	if behind {
		putChecked(t, q, 2, 2)
		wait = func() error {
			v, err := q.Get(background)
			if err == nil && v != messageOf(2) {
				err = fmt.Errorf("got %v", v)
			}
			return err
		}
	}
	var err error
	done := proctest.MustBlock(t, func() { err = wait() })
	asleep.Await(t, q.o.Seg, 1)
	child.Cmd.Process.Kill()
	<-done
	if err != nil {
		t.Error(err)
	}
	diedByKill(t, child.Wait())
	if !behind {
		getChecked(t, q, 2, 2)
	}
	wantAbandoned(t, q, 1)
}
