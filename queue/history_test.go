package queue

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"testing"

	"github.com/anishathalye/porcupine"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// An event is one operation of a history, in shared memory, so that it survives the process that
// did it.
type event struct {
	Call, Return uint64 // times of the common clock; 0: has not happened
	Value        uint64
	Put          bool
	Done         bool // neither full nor empty
	Crowded      bool // others were at work at the same time; filled in at the end
}

const eventsEach = 40

// A history is what its processes share.
type history struct {
	lane
	events    *shm.RawArray[event]
	clock     *shm.Uint64
	processes *shm.Uint64 // how many there are
	running   *shm.Uint64 // how many of them have begun
}

func openHistory(seg *shm.Segment) (h history, err error) {
	if h.lane, err = openLane(seg); err != nil {
		return h, err
	}
	for name, u := range map[string]**shm.Uint64{"clock": &h.clock, "processes": &h.processes, "running": &h.running} {
		if *u, err = shm.NewUint64(seg, name, 0); err != nil {
			return h, err
		}
	}
	h.events, err = shm.NewRawArray[event](seg, "events", 8*eventsEach)
	return h, err
}

// begin waits until all processes of the history are running, but not for ever: one may have been
// killed.
func (h history) begin() {
	h.running.Add(1)
	for looks := 0; h.running.Load() < h.processes.Load() && looks < 1000; looks++ {
		runtime.Gosched()
	}
}

// roleHistory is process args[1] of the history in the segment args[0]. It puts, or gets, as
// args[2] says.
var roleHistory = proctest.Register("history", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	h, err := openHistory(seg)
	proctest.ExitOn(err)
	who, err := strconv.Atoi(args[1])
	proctest.ExitOn(err)
	mine := h.events.Slice()[who*eventsEach:][:eventsEach]
	proctest.Say("ready")
	proctest.Hear()
	h.begin()
	for i, kind := 0, 0; i < len(mine); kind++ {
		n := 1
		if kind%4 == 3 {
			n = min(2, len(mine)-i)
		}
		h.step(mine[i:i+n], uint64(who*eventsEach+i+1), args[2] == "put", kind)
		i += n
	}
	proctest.Say("done")
	proctest.Hear()
})

// step does one operation, the kind-th of its process, and notes it as an event for each message
// that it may concern.
func (h history) step(events []event, first uint64, put bool, kind int) {
	call := h.clock.Add(1)
	values := make([]uint64, len(events))
	for i := range events {
		values[i] = first + uint64(i)
		events[i].Put, events[i].Value = put, values[i]
		events[i].Call = call
	}
	n, err := 0, error(nil)
	if put {
		n, err = h.put(values, kind)
	} else {
		n, err = h.get(values, kind)
	}
	if err != nil && err != ErrFull && err != ErrEmpty && !errors.Is(err, context.Canceled) {
		proctest.ExitOn(err)
	}
	end := h.clock.Add(1)
	for i := range events {
		e := &events[i]
		switch {
		case i < n:
			e.Value, e.Done = values[i], true
		case i > 0:
			e.Call = 0 // was not tried, or is not known
			continue
		}
		e.Return = end
	}
}

// canceled is for operations that shall not wait.
var canceled = func() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}()

// A history of several processes is one of a queue, also when some of them are killed.
func TestLinearizable(t *testing.T) {
	for _, r := range []rules{
		{capacity: 2, producers: 1, consumers: 3},
		{capacity: 2, producers: 3, consumers: 1},
		{capacity: 4, producers: 2, consumers: 2},
		{capacity: 1, producers: 2, consumers: 2},
		{capacity: 2, producers: 2, consumers: 2, kill: true},
		{capacity: 2, producers: 1, consumers: 1, bytes: true},
		{capacity: 2, producers: 1, consumers: 3, bytes: true},
		{capacity: 4, producers: 3, consumers: 2, bytes: true},
		{capacity: 2, producers: 2, consumers: 2, kill: true, bytes: true},
		{capacity: 4, producers: 3, consumers: 2, kill: true, bytes: true},
	} {
		t.Run(fmt.Sprintf("%+v", r), func(t *testing.T) {
			rounds := 4
			if long {
				rounds = 40
			}
			for round := range rounds {
				r.play(t, round)
			}
		})
	}
}

func (r rules) play(t *testing.T, round int) {
	path := r.newLane(t)
	h, err := openHistory(reopen(t, path))
	if err != nil {
		t.Fatal(err)
	}
	var children []*proctest.Child
	h.processes.Store(uint64(r.producers + r.consumers))
	for i := range r.producers + r.consumers {
		op := "get"
		if i < r.producers {
			op = "put"
		}
		c := proctest.Start(t, roleHistory, path, fmt.Sprint(i), op)
		c.Expect("ready")
		children = append(children, c)
	}
	for _, c := range children {
		c.Send("go")
	}
	if r.kill { // the first producer and the last consumer
		proctest.Eventually(t, proctest.Hang, func() bool { return h.clock.Load() >= uint64(min(10*round+5, 30)) }, "the history begins")
		killed := []*proctest.Child{children[0], children[len(children)-1]}
		children = children[1 : len(children)-1]
		for _, c := range killed {
			kill(t, c)
		}
	}
	for _, c := range children {
		c.Expect("done")
		c.Send("end")
		c.WaitOK()
	}
	ops := append(r.operations(h.events.Slice()), drain(t, h)...)
	settle(t, ops, h.Stats().Abandoned)
	var known []porcupine.Operation
	for _, o := range ops {
		if o.Return > 0 {
			known = append(known, o)
		}
	}
	if result := porcupine.CheckOperationsTimeout(r.fifo(), known, proctest.Hang); result != porcupine.Ok {
		t.Fatalf("the history is %v: %v", result, known)
	}
}

// drain takes what is left, as operations of a further process.
func drain(t *testing.T, h history) (ops []porcupine.Operation) {
	for {
		call := h.clock.Add(1)
		v, err := h.tryGet()
		if err != nil {
			wantErr(t, err, ErrEmpty)
			return ops
		}
		ops = append(ops, porcupine.Operation{
			ClientId: 8, Input: event{Value: v, Done: true}, Call: int64(call), Return: int64(h.clock.Add(1)),
		})
	}
}
