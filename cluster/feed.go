package cluster

import (
	"context"
	"errors"
	"time"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
	"github.com/shmkit/shmkit/pool"
)

// fedMost is how many tasks the pool has at once: what it does not have is given back when the host
// leaves. h.mu is held.
func (h *host) fedMost() int { return h.room((h.readAhead() + 1) / 2) }

// feed puts tasks into the pool, one after the other, so that they begin in their order.
func (h *host) feed() {
	for {
		h.mu.Lock()
		for h.alive.Err() == nil && (len(h.todo) == 0 || h.fed >= h.fedMost()) {
			h.changed.Wait()
		}
		if h.alive.Err() != nil {
			h.mu.Unlock()
			return
		}
		t := h.todo[0]
		h.todo = h.todo[1:]
		if t.dropped || t.done {
			h.mu.Unlock()
			continue
		}
		t.begun = time.Now()
		h.fed++
		h.mu.Unlock()
		h.start(t)
	}
}

// start has the pool run a task.
func (h *host) start(t *held) {
	call := engine.Call{
		ID: t.key.id, Task: t.task.Name, Signature: t.task.Signature, Count: t.task.Count, SoftDeadline: t.task.Soft, HardDeadline: t.task.Hard, Deaf: t.task.Deaf,
		Attempts: t.task.Attempts, Kills: t.task.Kills, Carry: t.task.Carry, Arg: t.task.Arg,
	}
	h.o.hooks.point("starting", t.key.id)
	begun := time.Now()
	watch, err := h.run(t.ctx, call, func(r engine.Result) { h.finished(t, &r, time.Since(begun)) })
	if err != nil {
		h.finished(t, &engine.Result{ID: t.key.id, Err: err}, 0)
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	t.watch = watch
}

// finished takes a result of the pool. It is called by a goroutine of the pool.
func (h *host) finished(t *held, r *engine.Result, took time.Duration) {
	h.o.hooks.point("finished", t.key.id)
	res := wire.Result{ID: t.key.id, Kind: r.Kind, At: r.At, Split: r.Split, Kills: r.Kills, Ran: max(r.Ran, 0), Size: len(r.Bytes), Trouble: troubleOf(r.Err, h.o.Name)}
	if r.Began.PID != 0 {
		res.Worker, res.PID, res.Began = h.o.Name+"/"+r.Began.Worker, r.Began.PID, r.Began.At.UnixNano()
	}
	b := append([]byte(nil), r.Bytes...) // they are the pool's
	if res.Trouble != nil && res.Trouble.Unknown {
		h.tellLife() // so that the caller knows what this host knows
	}
	h.mu.Lock()
	h.fed--
	h.changed.Broadcast()
	if r.Ran > 0 {
		took = r.Ran
	}
	if r.Err == nil {
		if h.each == 0 {
			h.each = took
		}
		h.each = max(h.each+(took-h.each)/8, 1)
	}
	if errors.Is(context.Cause(t.ctx), errTakenBack) && !t.dropped {
		h.giveBack([]*held{t})
	}
	if t.dropped {
		h.mu.Unlock()
		return
	}
	t.done = true
	h.sent++
	t.task.Arg = nil
	if res.Size > wire.Inline {
		t.bytes = b
	} else {
		res.Bytes = b
	}
	t.result = res
	h.mu.Unlock()
	h.resultsMu.Lock()
	h.results = append(h.results, t)
	h.resultsMu.Unlock()
	h.wakeSend()
}

// troubleOf is how an error of the pool travels.
func troubleOf(err error, host string) *wire.Trouble {
	var died *pool.WorkerDiedError
	var late *pool.DeadlineError
	var unknown *engine.UnknownError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &died):
		return &wire.Trouble{Died: &wire.Died{Attempts: died.Attempts, Worker: host + "/" + died.Worker, PID: died.PID, ExitCode: died.ExitCode, Signal: died.Signal, Stderr: died.Stderr}}
	case errors.As(err, &late):
		return &wire.Trouble{Late: &wire.Late{Limit: late.Limit, Stack: late.Stack}}
	case errors.As(err, &unknown):
		return &wire.Trouble{Unknown: true}
	case errors.Is(err, context.Canceled):
		return &wire.Trouble{Cancelled: true}
	}
	return &wire.Trouble{Text: err.Error()}
}
