//go:build linux

package proctab

import (
	"strings"
	"testing"
)

// A process id of another PID namespace is not taken for one of this.
func TestInfoNamesTheNamespace(t *testing.T) {
	mine := Info{PID: 7, Program: "worker", Namespace: ownNamespace()}
	if ownNamespace() == 0 {
		t.Skip("the system does not tell the PID namespace")
	}
	other := mine
	other.Namespace++
	if mine.IsForeign() || !other.IsForeign() || (Info{PID: 7}).IsForeign() {
		t.Errorf("foreign: %v, %v", mine.IsForeign(), other.IsForeign())
	}
	if text := other.String(); !strings.Contains(text, "worker (pid 7 of another PID namespace)") {
		t.Error(text)
	}
	mem := make([]byte, SlotBytes)
	s := &slotsIn(mem)[0]
	s.writeInfo(3)
	s.word.Store(freed(3) | waitersBit | 5)
	if l := LookAt(mem)[0]; !l.Known || l.Info.Namespace != ownNamespace() || l.Condition != Attached {
		t.Errorf("a slot says %+v", l)
	}
}
