package command

import (
	"testing"
	"time"
)

func TestEvery(t *testing.T) {
	calls := 0 // only f uses it until stop has returned
	third := make(chan struct{})
	stop := Every(time.Millisecond, func() { //clock: the period is the subject
		if calls++; calls == 3 {
			close(third)
		}
	})
	<-third
	stop()
	// A call that comes after stop is a data race, which the detector reports.
	if calls < 3 {
		t.Errorf("%d calls", calls)
	}
}
