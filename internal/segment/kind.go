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
)

var kindNames = [...]string{
	KindValue:          "Value",
	KindRawValue:       "RawValue",
	KindArray:          "Array",
	KindRawArray:       "RawArray",
	KindAtomic:         "atomic",
	KindBool:           "Bool",
	KindCounter:        "Counter",
	KindMutex:          "Mutex",
	KindQueue:          "Queue",
	KindTasks:          "task table",
	KindRWMutex:        "RWMutex",
	KindSemaphore:      "Semaphore",
	KindCond:           "Cond",
	KindEvent:          "Event",
	KindBarrier:        "Barrier",
	KindRecursiveMutex: "RecursiveMutex",
	KindOnce:           "Once",
	KindWaitGroup:      "WaitGroup",
	KindSPSC:           "SPSC",
	KindBroadcast:      "Broadcast",
	KindBytes:          "Bytes",
	KindObjects:        "Objects",
	KindPipe:           "Pipe",
	KindListener:       "listener",
	KindDict:           "Dict",
	KindVar:            "Var",
	KindList:           "List",
}

func (k Kind) String() string {
	if k == 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("unknown kind %d", uint32(k))
	}
	return kindNames[k]
}
