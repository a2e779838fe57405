package wait

import (
	"context"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// Only a patient context has longer sleeps, and so have those made from it.
func TestBackstopOf(t *testing.T) {
	ctx, cancel := context.WithCancel(WithLongSleep(t.Context()))
	defer cancel()
	if d, patient := BackstopOf(t.Context()), BackstopOf(ctx); d != Backstop || patient != MaxSleep {
		t.Errorf("%v, patient %v", d, patient)
	}
}

// A sleep ends in the future, in time, and the longest ones at the same moment.
//
// clock: when a sleep ends is the subject
func TestEndOf(t *testing.T) {
	t.Parallel()
	//clock: when a sleep ends is the subject
	for _, limit := range []time.Duration{1, time.Millisecond, Backstop / 2, Backstop - 1} {
		before := time.Now()
		if end := endOf(limit); end.Before(before.Add(limit)) || end.After(time.Now().Add(limit)) {
			t.Errorf("%v end after %v", limit, end.Sub(before))
		}
	}
	//clock: when a sleep ends is the subject
	for _, limit := range []time.Duration{Backstop, MaxSleep} {
		before := time.Now()
		if end := endOf(limit); end.Before(before.Add(limit-Backstop)) || end.After(time.Now().Add(limit)) {
			t.Errorf("%v end after %v", limit, end.Sub(before))
		}
	}
	for range rounds(1000) {
		proctest.Stagger(8 * time.Millisecond) // moments all over a second
		before := time.Now()
		switch end := endOf(Backstop); {
		case !end.After(before) || end.After(time.Now().Add(Backstop)):
			t.Fatalf("a backstop ends after %v", end.Sub(before))
		case end.Sub(started)%Backstop != 0:
			t.Fatalf("a backstop ends at %v", end.Sub(started))
		}
	}
}

// What replaces the backstop bounds all sleeps, those of patient contexts and of processes to come,
// too, until it is restored.
func TestSetBackstop(t *testing.T) {
	outer, inner := SetBackstop(time.Hour), SetBackstop(2*time.Hour)
	want := 2 * time.Hour
	for _, restore := range []func(){inner, outer} {
		if d, patient := BackstopOf(t.Context()), BackstopOf(WithLongSleep(t.Context())); d != want || patient != want || longest() != want {
			t.Errorf("%v, patient %v, longest %v, want %v", d, patient, longest(), want)
		}
		child := proctest.Start(t, roleBackstop)
		child.Expect(want.String())
		child.WaitOK()
		restore()
		want = time.Hour
	}
}

var roleBackstop = proctest.Register("backstop", func([]string) { proctest.Say("%v", BackstopOf(context.Background())) })
