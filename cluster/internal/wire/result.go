package wire

import (
	"encoding/binary"
	"encoding/json"
	"time"
)

// A Result is what became of a Task.
type Result struct {
	ID    uint64
	Kind  uint32 // as package task has it
	At    int    // which argument of a chunk ran last
	Split bool   // the worker died of that argument
	Kills int    // how many have
	Ran   time.Duration
	// which worker has begun it, and when, in ns since 1970; zero: not known
	Worker string
	PID    int
	Began  int64
	Size   int    // bytes of the result
	Bytes  []byte // nil when Size is above Inline
	// what happened instead of a result; nil means nothing
	Trouble *Trouble
}

// A Trouble is an end of a task which is not the task's own result. One of its fields is set.
type Trouble struct {
	Died      *Died  `json:",omitempty"`
	Late      *Late  `json:",omitempty"`
	Cancelled bool   `json:",omitempty"` // its context has ended before it began
	Unknown   bool   `json:",omitempty"` // the host does not know the task
	Dropped   bool   `json:",omitempty"` // no worker has begun it, and none shall
	Text      string `json:",omitempty"`
}

// Died are the fields of a pool.WorkerDiedError, and the host.
type Died struct {
	Attempts int
	Worker   string
	PID      int
	ExitCode int
	Signal   string
	Stderr   string
	Host     string
}

// Late are the fields of a pool.DeadlineError.
type Late struct {
	Limit time.Duration
	Stack string
}

// AppendResult appends r to b.
func AppendResult(b []byte, r *Result) []byte {
	b = binary.AppendUvarint(b, r.ID)
	for _, v := range [...]uint64{uint64(r.Kind), uint64(r.At), flag(r.Split), uint64(r.Kills), uint64(r.Ran), uint64(r.Size)} {
		b = binary.AppendUvarint(b, v)
	}
	b = binary.AppendUvarint(binary.AppendUvarint(appendText(b, r.Worker), uint64(r.PID)), uint64(r.Began))
	if r.Size <= Inline {
		b = append(b, r.Bytes...)
	}
	var trouble []byte
	if r.Trouble != nil {
		trouble, _ = json.Marshal(r.Trouble) // it has no value that cannot be
	}
	return appendBytes(b, trouble)
}

// ReadResult takes the first result off b. Its bytes are a part of b.
func ReadResult(b []byte) (res Result, rest []byte, err error) {
	r := reader{rest: b}
	res.ID, res.Kind, res.At, res.Split = r.uint(anyNumber), uint32(r.uint(255)), int(r.uint(maxCount)), r.uint(1) != 0
	res.Kills, res.Ran, res.Size = int(r.uint(1<<31)), r.duration(), int(r.uint(maxSize))
	res.Worker, res.PID, res.Began = r.text(), int(r.uint(1<<31)), int64(r.uint(1<<63-1))
	if res.Size <= Inline {
		if res.Size > len(r.rest) {
			return Result{}, nil, ErrFormat
		}
		res.Bytes, r.rest = r.rest[:res.Size:res.Size], r.rest[res.Size:]
	}
	if t := r.bytes(len(r.rest)); len(t) > 0 {
		res.Trouble = new(Trouble)
		if json.Unmarshal(t, res.Trouble) != nil {
			return Result{}, nil, ErrFormat
		}
	}
	if err := r.err(false); err != nil {
		return Result{}, nil, err
	}
	return res, r.rest, nil
}
