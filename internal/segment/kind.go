package segment

import "fmt"

// A Kind says what an object is. The numbers are part of the format.
type Kind uint32

// The kinds of objects.
const (
	KindValue Kind = 1 + iota
	KindRawValue
	KindArray
	KindRawArray
	KindAtomic
	KindBool
	KindCounter
	KindMutex
	KindQueue
	KindTasks
	KindRWMutex
	KindSemaphore
	KindCond
	KindEvent
	KindBarrier
	KindRecursiveMutex
	KindOnce
	KindWaitGroup
	KindSPSC
	KindBroadcast
	KindBytes
	KindObjects
	KindPipe
	KindListener
	KindDict
	KindVar
	KindList
	KindWaitingBroadcast // a Broadcast that loses nothing; KindBroadcast overwrites
	KindBroadcastBytes
	KindBroadcastObjects
)

// kinds describes the kinds. The layout is the version of the payload, from 1. A change of what a
// byte of the payload means raises it: an object of another version is refused by its kind, and all
// others stay usable. Spare bytes of a payload are zeros, so that a later version of the same
// layout can give them a meaning for which 0 says what holds today.
var kinds = [...]struct {
	name     string
	layout   uint32
	readable bool // a process that may only read has a use for it
}{
	KindValue:          {"Value", 1, true},
	KindRawValue:       {"RawValue", 1, true},
	KindArray:          {"Array", 2, true},
	KindRawArray:       {"RawArray", 1, true},
	KindAtomic:         {"atomic", 1, true},
	KindBool:           {"Bool", 1, true},
	KindCounter:        {"Counter", 1, true},
	KindMutex:          {"Mutex", 1, false},
	KindQueue:          {"Queue", 1, true},
	KindTasks:          {"task table", 2, false},
	KindRWMutex:        {"RWMutex", 1, false},
	KindSemaphore:      {"Semaphore", 1, false},
	KindCond:           {"Cond", 1, false},
	KindEvent:          {"Event", 1, true},
	KindBarrier:        {"Barrier", 1, false},
	KindRecursiveMutex: {"RecursiveMutex", 1, false},
	KindOnce:           {"Once", 1, false},
	KindWaitGroup:      {"WaitGroup", 1, false},
	KindSPSC:           {"SPSC", 2, true},
	KindBroadcast:      {"overwriting Broadcast", 2, true},
	KindBytes:          {"Bytes", 2, true},
	KindObjects:        {"Objects", 2, true},
	KindPipe:           {"Pipe", 1, false},
	KindListener:       {"listener", 1, false},
	KindDict:           {"Dict", 2, true},
	KindVar:            {"Var", 1, true},
	KindList:           {"List", 1, true},

	KindWaitingBroadcast: {"Broadcast", 1, true},
	KindBroadcastBytes:   {"BroadcastBytes", 1, true},
	KindBroadcastObjects: {"BroadcastObjects", 1, true},
}

func (k Kind) isKnown() bool { return k != 0 && int(k) < len(kinds) }

func (k Kind) String() string {
	if !k.isKnown() {
		return fmt.Sprintf("unknown kind %d", uint32(k))
	}
	return kinds[k].name
}

// Layout is the version of the payloads of that kind which this program makes and reads; 0 for a
// kind that it does not know.
func (k Kind) Layout() uint32 {
	if !k.isKnown() {
		return 0
	}
	return kinds[k].layout
}
