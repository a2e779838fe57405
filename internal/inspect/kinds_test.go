//go:build linux

package inspect

import (
	"encoding/json"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/tasktable"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/queue/pipe"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

type order struct {
	ID    int64
	Price float64
	Item  [12]byte
}

type note struct{ Text string }

// kinds makes an object of each kind, and says what a reader sees of it: the value, and some facts,
// as JSON.
var kinds = []struct {
	name  string
	make  func(t *testing.T, seg *shm.Segment)
	value string
	facts map[string]string
}{
	{"value", func(t *testing.T, seg *shm.Segment) {
		v := must(shm.NewValue(seg, "value", order{}))
		check(t, v.Store(background, order{7, 2.5, [12]byte{'t', 'e', 'a'}}))
	}, `{"ID":7,"Price":2.5,"Item":"tea"}`, map[string]string{"stores": "1"}},
	{"raw value", func(t *testing.T, seg *shm.Segment) {
		must(shm.NewRawValue(seg, "raw value", [3]uint16{1, 2, 3}))
	}, `[1,2,3]`, nil},
	{"int64", func(t *testing.T, seg *shm.Segment) { must(shm.NewInt64(seg, "int64", -5)) }, `-5`, nil},
	{"large", func(t *testing.T, seg *shm.Segment) { must(shm.NewUint64(seg, "large", 1<<63)) }, `"9223372036854775808"`, nil},
	{"float", func(t *testing.T, seg *shm.Segment) { must(shm.NewFloat64(seg, "float", 0.5)) }, `0.5`, nil},
	{"bool", func(t *testing.T, seg *shm.Segment) { must(shm.NewBool(seg, "bool", true)) }, `true`, nil},
	{"counter", func(t *testing.T, seg *shm.Segment) { must(shm.NewCounter(seg, "counter")).Add(42) }, `42`, nil},
	{"array", func(t *testing.T, seg *shm.Segment) {
		a := must(shm.NewArray[int32](seg, "array", 4))
		check(t, a.Set(background, 2, 9))
	}, `[0,0,9,0]`, map[string]string{"elements": "4"}},
	{"raw array", func(t *testing.T, seg *shm.Segment) {
		must(shm.NewRawArray[float32](seg, "raw array", 2)).Set(1, 1.25)
	}, `[0,1.25]`, map[string]string{"elements": "2"}},
	{"words", func(t *testing.T, seg *shm.Segment) {
		check(t, must(shm.NewDict[int64, int32](seg, "words", shm.DictOptions{})).Set(background, 3, -4))
	}, `[{"key":3,"value":-4}]`, map[string]string{"keys": "1"}},
	{"records", func(t *testing.T, seg *shm.Segment) {
		d := must(shm.NewDict[string, string](seg, "records", shm.DictOptions{}))
		check(t, d.Set(background, "k", "old"))
		check(t, d.Set(background, "k", "a longer one"))
	}, `[{"key":"k","value":"a longer one"}]`, map[string]string{"keys": "1"}},
	{"var", func(t *testing.T, seg *shm.Segment) {
		v := must(shm.NewVar(seg, "var", "first"))
		check(t, v.Store(background, "second, and longer than the first"))
	}, `"second, and longer than the first"`, map[string]string{"revision": "1"}},
	{"list", func(t *testing.T, seg *shm.Segment) {
		l := must(shm.NewList[uint8](seg, "list"))
		for i := range uint8(70) {
			must(l.Append(background, i/10))
		}
	}, `[0,0,0,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1,1,2,2,2,2,2,2,2,2,2,2,3,3,3,3,3,3,3,3,3,3,4,4,4,4,4,4,4,4,4,4,5,5,5,5,5,5,5,5,5,5,6,6,6,6,6,6,6,6,6,6]`,
		map[string]string{"elements": "70"}},
	{"mutex", func(t *testing.T, seg *shm.Segment) {
		m := must(shmsync.NewMutex(seg, "mutex", shmsync.MutexOptions{}))
		check(t, m.Lock(background))
		t.Cleanup(func() { m.Unlock() })
	}, ``, map[string]string{"owner": "me"}},
	{"recursive", func(t *testing.T, seg *shm.Segment) {
		must(shmsync.NewRecursiveMutex(seg, "recursive", shmsync.MutexOptions{}))
	}, ``, map[string]string{"owner": ""}},
	{"rwmutex", func(t *testing.T, seg *shm.Segment) {
		m := must(shmsync.NewRWMutex(seg, "rwmutex", shmsync.RWMutexOptions{}))
		check(t, m.RLock(background))
		check(t, m.RLock(background))
	}, ``, map[string]string{"readers": "2", "readerProcesses": "[me]", "owner": ""}},
	{"semaphore", func(t *testing.T, seg *shm.Segment) {
		s := must(shmsync.NewSemaphore(seg, "semaphore", 5, shmsync.SemaphoreOptions{Undo: true}))
		check(t, s.Acquire(background, 2))
	}, ``, map[string]string{"freeUnits": "3", "units": "5", "holders": "[me]"}},
	{"cond", func(t *testing.T, seg *shm.Segment) {
		must(shmsync.NewCond(seg, "cond", shmsync.CondOptions{}))
	}, ``, map[string]string{"waiting": "0"}},
	{"event", func(t *testing.T, seg *shm.Segment) {
		must(shmsync.NewEvent(seg, "event", shmsync.EventOptions{})).Set()
	}, `true`, map[string]string{"timesSet": "1"}},
	{"barrier", func(t *testing.T, seg *shm.Segment) {
		must(shmsync.NewBarrier(seg, "barrier", 3, shmsync.BarrierOptions{}))
	}, ``, map[string]string{"parties": "3", "arrived": "0", "broken": "false"}},
	{"once", func(t *testing.T, seg *shm.Segment) {
		check(t, must(shmsync.NewOnce(seg, "once", shmsync.OnceOptions{})).Do(background, func() error { return nil }))
	}, `true`, nil},
	{"waitgroup", func(t *testing.T, seg *shm.Segment) {
		check(t, must(shmsync.NewWaitGroup(seg, "waitgroup", shmsync.WaitGroupOptions{Undo: true})).Add(2))
	}, `2`, map[string]string{"debtors": "[me]"}},
	{"queue", func(t *testing.T, seg *shm.Segment) {
		q := must(queue.NewQueue[int32](seg, "queue", 16, queue.Options{Joinable: true}))
		for i := range int32(19) { // more than once round
			check(t, q.Put(background, i))
			if i < 10 {
				must(q.Get(background))
			}
		}
	}, `[10,11,12,13,14,15,16,17,18]`, map[string]string{
		"messages": "9", "capacityMessages": "16", "put": "19", "got": "10", "closed": "false", "unfinished": "10"}},
	{"spsc", func(t *testing.T, seg *shm.Segment) {
		q := must(queue.NewSPSC[int32](seg, "spsc", 4, queue.Options{}))
		check(t, q.Put(background, 6))
		check(t, q.Put(background, 7))
		must(q.Get(background))
		check(t, q.Close())
	}, `[7]`, map[string]string{"messages": "1", "producer": "me", "consumer": "me", "closed": "true", "closedBy": "me"}},
	{"broadcast", func(t *testing.T, seg *shm.Segment) {
		b := must(queue.NewBroadcast[int32](seg, "broadcast", 4, queue.Options{WhenFull: queue.DropOldest}))
		for i := range int32(6) {
			check(t, b.Put(background, i))
		}
	}, `[2,3,4,5]`, map[string]string{"put": "6", "writer": "me"}},
	{"waiting", func(t *testing.T, seg *shm.Segment) {
		b := must(queue.NewBroadcast[int32](seg, "waiting", 4, queue.Options{}))
		must(b.Subscribe(queue.FromNewest))
		for i := range int32(4) {
			check(t, b.Put(background, i))
		}
		t.Cleanup(func() { b.Close() }) // keeps the reader
	}, `[0,1,2,3]`, map[string]string{"put": "4", "messages": "4", "writer": "me", "expelled": "0"}},
	{"broadcast bytes", func(t *testing.T, seg *shm.Segment) {
		b := must(queue.NewBroadcastBytes(seg, "broadcast bytes", 256, queue.Options{Writers: queue.Many}))
		check(t, b.Put(background, []byte{1, 255}))
		check(t, b.Put(background, []byte{2}))
	}, `[{"hex":"01ff"},{"hex":"02"}]`, map[string]string{"put": "2", "putBytes": "3", "longestBytes": "112"}},
	{"broadcast objects", func(t *testing.T, seg *shm.Segment) {
		b := must(queue.NewBroadcastObjects[note](seg, "broadcast objects", 256, queue.Options{}))
		check(t, b.Put(background, note{"hello"}))
	}, `[{"cbor":"a1645465787465` + `68656c6c6f"}]`, map[string]string{"put": "1"}},
	{"bytes", func(t *testing.T, seg *shm.Segment) {
		b := must(queue.NewBytes(seg, "bytes", 100, queue.Options{}))
		check(t, b.Put(background, []byte{1, 255}))
	}, `[{"hex":"01ff"}]`, map[string]string{"messages": "1", "putBytes": "2"}},
	{"objects", func(t *testing.T, seg *shm.Segment) {
		check(t, must(queue.NewObjects[note](seg, "objects", 100, queue.Options{})).Put(background, note{"hello"}))
	}, `[{"cbor":"a1645465787465` + `68656c6c6f"}]`, map[string]string{"messages": "1"}},
	{"pipe", func(t *testing.T, seg *shm.Segment) {
		a := must(pipe.New(seg, "pipe", pipe.Options{Buffer: 4096}))
		must(a.Write([]byte("abc")))
	}, ``, map[string]string{"capacityBytes": "4096", "aWritten": "3", "aUnread": "3"}},
}

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// asJSON is a fact as JSON, with me for this process.
func asJSON(value any) string {
	switch v := value.(type) {
	case describe.Process:
		return nameMe(v)
	case []describe.Process:
		text := ""
		for _, p := range v {
			text += nameMe(p)
		}
		return "[" + text + "]"
	}
	return string(must(json.Marshal(describe.JSON(value))))
}

func nameMe(p describe.Process) string {
	if p.Living && p.PID == myPID {
		return "me"
	}
	return p.String()
}

func TestDescribesEveryKind(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	for _, k := range kinds {
		k.make(t, seg)
	}
	s := read(t, seg.Path())
	seen := map[string]bool{}
	for _, k := range kinds {
		o := object(t, s, k.name)
		seen[o.Kind] = true
		if o.Error != "" || o.Moved {
			t.Errorf("%s: %s, moved %v", k.name, o.Error, o.Moved)
		}
		if value := ""; o.RawValue != nil || k.value != "" {
			if value = asJSON(o.RawValue); value != k.value {
				t.Errorf("%s holds %s, want %s", k.name, value, k.value)
			}
		}
		for name, want := range k.facts {
			have := ""
			if value, ok := o.Facts.Get(name); ok {
				have = asJSON(value)
			}
			if have != want {
				t.Errorf("%s: %s is %s, want %s", k.name, name, have, want)
			}
		}
	}
	for kind := segment.KindValue; kind <= segment.KindBroadcastObjects; kind++ {
		if !describe.Has(kind) {
			t.Errorf("no package describes a %v", kind)
		}
		if kind != segment.KindTasks && kind != segment.KindListener && !seen[kind.String()] {
			t.Errorf("no %v was described", kind)
		}
	}
	if s.Living != 1 || s.MaxProcesses != 8 || s.Objects != len(kinds) || s.Kind != KindFile || s.Name != "segment" {
		t.Errorf("the segment is %+v", s)
	}
}

func TestDescribesAPoolAndAListener(t *testing.T) {
	table := must(tasktable.New(4, 1<<16))
	defer table.Seg.Close()
	table.Slots[1].State.Store(tasktable.StateOf(tasktable.PhaseQueued, 0, 1))
	table.Slots[2].Count = 3
	table.Slots[2].State.Store(tasktable.StateOf(tasktable.PhaseRunning, table.Mem.Me(), 1))
	table.Records[0].Owner.Store(uint32(table.Mem.Me()))
	table.Records[0].Done.Store(5)
	f := must(OpenDescriptor(myPID, int(table.Seg.File().Fd()), "memfd:shmkit"))
	defer f.Close()
	s := must(Read(f))
	o := object(t, s, "tasks")
	if s.Kind != KindPool || o.Error != "" {
		t.Errorf("kind %s, %s", s.Kind, o.Error)
	}
	for name, want := range map[string]string{"queued": "1", "running": "1", "finished": "5", "workers": "1"} {
		if v, _ := o.Facts.Get(name); asJSON(v) != want {
			t.Errorf("%s is %s, want %s", name, asJSON(v), want)
		}
	}

	path := filepath.Join(proctest.Dir(t), "listener")
	l := must(pipe.Listen(path, pipe.ListenOptions{}))
	defer l.Close()
	all := 0
	for o, err := range read(t, path).All(everything) {
		check(t, err)
		if all++; o.Kind == segment.KindListener.String() {
			if owner, _ := o.Facts.Get("owner"); asJSON(owner) != "me" || o.Error != "" {
				t.Errorf("the listener: %s %v", o.Error, o.Facts)
			}
		}
	}
	if all == 0 {
		t.Error("the listener's segment has no object")
	}
}
