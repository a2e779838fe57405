package tasktable

import (
	"fmt"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/segment"
)

func init() { describe.Register(segment.KindTasks, describeTasks) }

var stageNames = [...]string{
	StageStarted: "started", StageEntered: "starting", StageReady: "idle", StageFailed: "failed",
	StageWorn: "worn out", StageLarge: "too large", StageIdle: "was idle", StageRetired: "retired",
}

func (s Stage) String() string {
	if int(s) >= len(stageNames) {
		return fmt.Sprintf("unknown stage %d", uint32(s))
	}
	return stageNames[s]
}

// A running is what a worker is at.
type running struct {
	task  uint64
	count int
	began time.Time // zero: not known
}

// describeTasks notes how many tasks are in the slots, and makes the workers the value.
func describeTasks(v *describe.View) error {
	slots := (int64(v.Size) - MaxWorkers*RecordBytes - roomBytes - countsBytes) / slotBytes
	if slots < 0 || slots > MaxSlots {
		return fmt.Errorf("%w: %d bytes", describe.ErrDamaged, v.Size)
	}
	at, counts, err := readSlots(v, int(slots))
	if err != nil {
		return err
	}
	names, err := describeCounts(v)
	if err != nil {
		return err
	}
	v.Set("slots", slots)
	v.Set("queued", counts[PhaseQueued>>phaseShift])
	v.Set("running", counts[PhaseRunning>>phaseShift])
	v.Set("done", counts[PhaseDone>>phaseShift])
	workers, finished, err := readRecords(v, at, names)
	v.Set("finished", finished)
	v.Set("workers", len(workers))
	v.Value = workers
	return err
}

// heads are n parts of size bytes each, from an offset on; where nothing is wanted of what the
// tasks hold, only the first bytes of each, and zeros.
func heads(v *describe.View, off, n, size, head int) ([]byte, error) {
	if !v.Want.Bare {
		return v.Bytes(uint64(off), uint64(n*size))
	}
	mem := make([]byte, n*size)
	return mem, v.Together(func() error {
		for i := range n {
			part, err := v.Bytes(uint64(off+i*size), uint64(head))
			if err != nil {
				return err
			}
			copy(mem[i*size:], part)
		}
		return nil
	})
}

// readSlots counts the slots by their phases, and says what each worker runs.
func readSlots(v *describe.View, slots int) (at map[proctab.Owner]running, counts [4]uint64, err error) {
	at = map[proctab.Owner]running{}
	const some = 64 // slots, to be read at once
	for n := 0; n < slots; n += some {
		mem, err := heads(v, MaxWorkers*RecordBytes+n*slotBytes, min(some, slots-n), slotBytes, argsAt)
		if err != nil {
			return nil, counts, err
		}
		copies := slotsIn(mem, len(mem)/slotBytes)
		for i := range copies {
			s := &copies[i]
			state := s.State.Load()
			counts[PhaseOf(state)>>phaseShift]++
			if PhaseOf(state) != PhaseRunning {
				continue
			}
			r := running{task: s.Task, count: int(s.Count)}
			if ns := s.Began.Load(); s.Timed&TellBegan != 0 && ns > 0 {
				r.began = time.Unix(0, ns)
			}
			at[WorkerOf(state)] = r
		}
	}
	return at, counts, nil
}

func nameOf(names map[uint64]string, task uint64) string {
	if name, ok := names[task]; ok {
		return name
	}
	return fmt.Sprintf("%016x", task)
}

// since is the time at which the worker began what it is at, if that is known, or one that was
// before.
func since(r *Record, run running) describe.Facts {
	ns := r.Since.Load()
	switch {
	case !run.began.IsZero():
		return describe.Facts{{Name: "since", Value: run.began}}
	case ns <= 0:
		return nil
	case r.SinceOf.Load() == uint32(r.Done.Load()):
		return describe.Facts{{Name: "since", Value: time.Unix(0, ns)}}
	}
	return describe.Facts{{Name: "notBefore", Value: time.Unix(0, ns)}}
}

// describeCounts notes the name of the pool, how its workers have ended, and what it has done by
// task, and returns the names of the tasks by their ids.
func describeCounts(v *describe.View) (names map[uint64]string, err error) {
	mem, err := v.Bytes(v.Size-countsBytes, countsBytes)
	if err != nil {
		return nil, err
	}
	c := countsIn(mem)
	if label := c.Label[:min(c.LabelLen, labelBytes)]; len(label) > 0 {
		v.Set("label", string(label))
	}
	exits, tasks := describe.Facts{}, []any{}
	for e, n := range c.Exits {
		exits = append(exits, describe.Fact{Name: Exit(e).String(), Value: n})
	}
	v.Set("exits", exits)
	names = map[uint64]string{}
	known := min(int(c.Tasks.Load()), maxTallies)
	for i := range c.Tallies[:known] {
		t := &c.Tallies[i]
		name := string(t.Name[:min(t.NameLen, nameBytes)])
		names[t.ID] = name
		facts := describe.Facts{{Name: "name", Value: name}, {Name: "submitted", Value: t.Submitted}, {Name: "retried", Value: t.Retried}}
		for e, n := range t.Ends {
			facts = append(facts, describe.Fact{Name: End(e).String(), Value: n})
		}
		tasks = append(tasks, facts)
	}
	v.Set("tasks", tasks)
	return names, nil
}

// readRecords describes the workers that live, and counts the tasks that all have finished.
func readRecords(v *describe.View, at map[proctab.Owner]running, names map[uint64]string) (workers []any, finished uint64, err error) {
	mem, err := heads(v, 0, MaxWorkers, RecordBytes, failureAt)
	if err != nil {
		return nil, 0, err
	}
	workers = []any{}
	records := recordsIn(mem, MaxWorkers)
	for i := range records {
		r := &records[i]
		finished += r.Done.Load()
		o := proctab.Owner(r.Owner.Load() & proctab.OwnerMask)
		if o == 0 || !v.Lives(o) {
			continue
		}
		facts := describe.Facts{{Name: "number", Value: i}, {Name: "process", Value: v.Process(o)}}
		stage, done := Stage(r.Stage.Load()).String(), describe.Fact{Name: "finished", Value: r.Done.Load()}
		run, busy := at[o]
		if busy {
			stage = "busy"
		}
		facts = append(facts, describe.Fact{Name: "stage", Value: stage}, done)
		if busy {
			facts = append(facts, describe.Fact{Name: "task", Value: nameOf(names, run.task)}, describe.Fact{Name: "arguments", Value: run.count})
			facts = append(facts, since(r, run)...)
		}
		workers = append(workers, facts)
	}
	return workers, finished, nil
}
