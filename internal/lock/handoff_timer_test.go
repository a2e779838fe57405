package lock

import (
	"testing"
	"time"
)

// An offer expires when it has been there for long enough, and not when another one came meanwhile.
//
// clock: that an offer lasts for at least so long is the subject
func TestHandoffTimer(t *testing.T) {
	var timer HandoffTimer
	began := time.Now()
	for !timer.Expired(1) {
		time.Sleep(HandoffTimeout / 10) // between two looks
	}
	if took := time.Since(began); took < HandoffTimeout {
		t.Errorf("an offer expires after %v", took)
	}
	if timer.Reset(); timer.Expired(1) {
		t.Error("an offer expires at the first look after the one before was over")
	}
	if timer.Expired(2) {
		t.Error("another offer expires at the first look")
	}
}
