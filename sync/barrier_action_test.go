//go:build linux

package shmsync_test

import (
	"context"
	"testing"
	"time"

	shmsync "github.com/shmkit/shmkit/sync"
)

// A45, action: the last party to arrive runs the action of its own handle before any party leaves.
// The actions of the others are not run.
func TestBarrierAction(t *testing.T) {
	seg := newSegment(t)
	ran := 0
	b := newBarrier(t, seg, 2, shmsync.BarrierOptions{Action: func() error { ran++; return nil }})
	other := startBarrierAgent(t, seg, 2, "say")
	other.Send("wait")
	arrived(t, b, 1)
	_, err := waitBarrier(b)
	wantErr(t, "the last to come", err, nil)
	waited(t, other, "0 ok")
	if ran != 1 {
		t.Errorf("the action ran %d times", ran)
	}
	here := make(chan error)
	go func() { _, err := waitBarrier(b); here <- err }()
	arrived(t, b, 1)
	other.Send("wait")
	other.Expect("acting")
	waited(t, other, "1 ok")
	wantErr(t, "the first to come", <-here, nil)
	if ran != 1 {
		t.Errorf("the action of the first ran, too")
	}
	other.Kill()
}

// An action that fails, or panics, breaks the barrier. The caller that ran it gets its error, or
// panic.
func TestBarrierActionFails(t *testing.T) {
	seg := newSegment(t)
	b := newBarrier(t, seg, 2, shmsync.BarrierOptions{})
	failing := newBarrier(t, seg, 2, shmsync.BarrierOptions{Action: func() error { return errAction }})
	panicking := newBarrier(t, seg, 2, shmsync.BarrierOptions{Action: func() error { panic(errAction) }})
	for what, last := range map[string]func(){
		"fails": func() {
			_, err := waitBarrier(failing)
			wantErr(t, "who ran it", err, errAction)
		},
		"panics": func() { wantPanic(t, "Wait", errAction.Error(), func() { waitBarrier(panicking) }) },
	} {
		here := make(chan error)
		go func() { _, err := waitBarrier(b); here <- err }()
		arrived(t, b, 1)
		last()
		wantBroken(t, "the other, when the action "+what, <-here, shmsync.BrokenByAction)
		_, err := waitBarrier(b)
		wantBroken(t, "who comes later", err, shmsync.BrokenByAction)
		if !b.Broken() || b.Waiting() != 0 {
			t.Errorf("broken %v, %d waiting", b.Broken(), b.Waiting())
		}
		b.Reset()
	}
	other := startBarrierAgent(t, seg, 2, "fail")
	here := make(chan error)
	go func() { _, err := waitBarrier(b); here <- err }()
	arrived(t, b, 1)
	other.Send("wait")
	waited(t, other, errAction.Error())
	if broken := wantBroken(t, "when that of another process fails", <-here, shmsync.BrokenByAction); broken.PID != other.PID() {
		t.Errorf("%+v did it, and not %d", broken, other.PID())
	}
	other.Kill()
}

// A party that arrives while the last party of a round runs its action waits for the next round,
// and does not break the barrier when it gives up.
func TestBarrierComeDuringAction(t *testing.T) {
	seg := newSegment(t)
	acting, go_on := make(chan bool), make(chan bool)
	b := newBarrier(t, seg, 1, shmsync.BarrierOptions{Action: func() error { acting <- true; <-go_on; return nil }})
	first, second := make(chan error), make(chan error)
	go func() { _, err := waitBarrier(b); first <- err }()
	<-acting
	//clock: a waiter that gives up is the subject
	short, cancel := context.WithTimeout(background, 5*time.Millisecond)
	defer cancel()
	_, err := b.Wait(short)
	wantErr(t, "who gives up during the action", err, context.DeadlineExceeded)
	go func() { _, err := waitBarrier(b); second <- err }()
	asleepOn(t, seg, "b", 1)
	go_on <- true
	wantErr(t, "the first round", <-first, nil)
	<-acting
	go_on <- true
	wantErr(t, "the second round", <-second, nil)
}
