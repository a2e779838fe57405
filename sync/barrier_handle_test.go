//go:build linux

package shmsync_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

// A32: new, open, and new once more; another number of parties, an impossible one, another kind, a
// spectator's Wait.
func TestBarrierNewAndOpen(t *testing.T) {
	seg := newSegment(t)
	_, err := shmsync.OpenBarrier(seg, "b", shmsync.BarrierOptions{})
	wantErr(t, "open what is not there", err, fs.ErrNotExist)
	for _, n := range []int{0, -1, 65536} {
		_, err := shmsync.NewBarrier(seg, "b", n, shmsync.BarrierOptions{})
		wantErr(t, fmt.Sprint("for ", n), err, fs.ErrInvalid)
	}
	newBarrier(t, seg, 65535, shmsync.BarrierOptions{})
	wantErr(t, "remove", seg.RemoveObject("b"), nil)
	newBarrier(t, seg, 2, shmsync.BarrierOptions{})
	b, err := shmsync.OpenBarrier(seg, "b", shmsync.BarrierOptions{})
	wantErr(t, "open what is there", err, nil)
	if b.Parties() != 2 {
		t.Errorf("%d parties", b.Parties())
	}
	var mismatch *shm.MismatchError
	if _, err := shmsync.NewBarrier(seg, "b", 3, shmsync.BarrierOptions{}); !errors.As(err, &mismatch) || !strings.Contains(err.Error(), "for 2 parties, not 3") {
		t.Errorf("for another number: %v", err)
	}
	newMutex(t, seg, "m")
	if _, err := shmsync.NewBarrier(seg, "m", 3, shmsync.BarrierOptions{}); !errors.As(err, &mismatch) {
		t.Errorf("make what is a Mutex: %v", err)
	}
	if _, err := shmsync.NewBarrier(seg, "a/b", 3, shmsync.BarrierOptions{}); err == nil {
		t.Error("a barrier with an impossible name was made")
	}
	spectator := newBarrier(t, seg, 2, shmsync.BarrierOptions{Spectator: true})
	_, err = spectator.Wait(background)
	wantErr(t, "a spectator's Wait", err, fs.ErrInvalid)
	if b.Broken() {
		t.Error("an impossible Wait has broken it")
	}
}

var barrierUnmarshaler = proctest.Register("barrier-unmarshaler", func(args []string) {
	data, err := base64.StdEncoding.DecodeString(args[0])
	must(err)
	var b shmsync.Barrier
	must(b.UnmarshalBinary(data))
	index, err := b.Wait(background)
	proctest.Say("%s %d %s", b.Name(), index, verdict(err))
	proctest.Hear()
})

// A handle reaches another process as bytes, and makes it a party.
func TestBarrierMarshal(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 2, shmsync.BarrierOptions{})
	data, err := b.MarshalBinary()
	wantErr(t, "marshal", err, nil)
	c := proctest.Start(t, barrierUnmarshaler, base64.StdEncoding.EncodeToString(data))
	arrived(t, b, 1)
	_, err = waitBarrier(b)
	wantErr(t, "wait", err, nil)
	c.Expect("b 0 ok")
	c.Kill()
	_, err = waitBarrier(b)
	wantBroken(t, "after its death", err, shmsync.BrokenByDeath)
	var m shmsync.Mutex
	if err := m.UnmarshalBinary(data); !errors.Is(err, shm.ErrMismatch) {
		t.Errorf("a Barrier as a Mutex: %v", err)
	}
}
