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
	name   string
	layout uint32
}{
	KindValue:          {"Value", 1},
	KindRawValue:       {"RawValue", 1},
	KindArray:          {"Array", 1},
	KindRawArray:       {"RawArray", 1},
	KindAtomic:         {"atomic", 1},
	KindBool:           {"Bool", 1},
	KindCounter:        {"Counter", 1},
	KindMutex:          {"Mutex", 1},
	KindQueue:          {"Queue", 1},
	KindTasks:          {"task table", 2},
	KindRWMutex:        {"RWMutex", 1},
	KindSemaphore:      {"Semaphore", 1},
	KindCond:           {"Cond", 1},
	KindEvent:          {"Event", 1},
	KindBarrier:        {"Barrier", 1},
	KindRecursiveMutex: {"RecursiveMutex", 1},
	KindOnce:           {"Once", 1},
	KindWaitGroup:      {"WaitGroup", 1},
	KindSPSC:           {"SPSC", 2},
	KindBroadcast:      {"overwriting Broadcast", 2},
	KindBytes:          {"Bytes", 2},
	KindObjects:        {"Objects", 2},
	KindPipe:           {"Pipe", 1},
	KindListener:       {"listener", 1},
	KindDict:           {"Dict", 2},
	KindVar:            {"Var", 1},
	KindList:           {"List", 1},

	KindWaitingBroadcast: {"Broadcast", 1},
	KindBroadcastBytes:   {"BroadcastBytes", 1},
	KindBroadcastObjects: {"BroadcastObjects", 1},
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
