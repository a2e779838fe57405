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
	slots := (int64(v.Size) - MaxWorkers*RecordBytes - roomBytes) / slotBytes
	if slots < 0 || slots > MaxSlots {
		return fmt.Errorf("%w: %d bytes", describe.ErrDamaged, v.Size)
	}
	at, counts, err := readSlots(v, int(slots))
	if err != nil {
		return err
	}
	v.Set("slots", slots)
	v.Set("queued", counts[PhaseQueued>>phaseShift])
	v.Set("running", counts[PhaseRunning>>phaseShift])
	v.Set("done", counts[PhaseDone>>phaseShift])
	workers, finished, err := readRecords(v, at)
	v.Set("finished", finished)
	v.Set("workers", len(workers))
	v.Value = workers
	return err
}

// readSlots counts the slots by their phases, and says what each worker runs.
func readSlots(v *describe.View, slots int) (at map[proctab.Owner]running, counts [4]uint64, err error) {
	at = map[proctab.Owner]running{}
	const some = 64 // slots, to be read at once
	for n := 0; n < slots; n += some {
		mem, err := v.Bytes(uint64(MaxWorkers*RecordBytes+n*slotBytes), uint64(min(some, slots-n)*slotBytes))
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

// readRecords describes the workers that live, and counts the tasks that all have finished.
func readRecords(v *describe.View, at map[proctab.Owner]running) (workers []any, finished uint64, err error) {
	mem, err := v.Bytes(0, MaxWorkers*RecordBytes)
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
			facts = append(facts, describe.Fact{Name: "task", Value: fmt.Sprintf("%016x", run.task)}, describe.Fact{Name: "arguments", Value: run.count})
		}
		if !run.began.IsZero() {
			facts = append(facts, describe.Fact{Name: "since", Value: run.began})
		}
		workers = append(workers, facts)
	}
	return workers, finished, nil
}
