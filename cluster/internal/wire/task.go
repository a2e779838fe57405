package wire

import (
	"encoding/binary"
	"time"
)

// CarryBytes is the size of Task.Carry.
const CarryBytes = 32

// A Task is a task, or a chunk of arguments of one, on its way to a host.
type Task struct {
	Client    string // id of the caller
	ID        uint64 // of the caller's entry
	Name      string
	Signature uint64 // of the task's types
	Count     int    // arguments, from 1
	Soft      time.Duration
	Hard      time.Duration
	Deaf      time.Duration
	Attempts  int              // -1: without end
	Kills     int              // workers that have died of it already
	Carry     [CarryBytes]byte // what the caller's pool has said
	Size      int              // bytes of the argument
	Digest    uint64           // of the argument, if it is not in the message
	Nil       bool             // the argument is a nil slice
	Arg       []byte           // nil when Size is above Inline, and when Nil is set
}

// isNil is what lies behind a task with a nil slice, which has a Size of 0.
const isNil = 1

// AppendTask appends t to b.
func AppendTask(b []byte, t *Task) []byte {
	b = appendText(b, t.Client)
	b = binary.AppendUvarint(b, t.ID)
	b = appendText(b, t.Name)
	b = binary.AppendUvarint(b, t.Signature)
	for _, v := range [...]uint64{uint64(t.Count), uint64(t.Soft), uint64(t.Hard), uint64(t.Deaf), uint64(max(t.Attempts, -1) + 1), uint64(t.Kills), uint64(t.Size)} {
		b = binary.AppendUvarint(b, v)
	}
	if t.Carry == [CarryBytes]byte{} {
		b = appendBytes(b, nil)
	} else {
		b = appendBytes(b, t.Carry[:])
	}
	if t.Size > Inline {
		return binary.AppendUvarint(b, t.Digest)
	}
	if t.Nil {
		return append(b, isNil)
	}
	return append(b, t.Arg...)
}

// ReadTask returns the task in b. Its argument is a part of b.
func ReadTask(b []byte) (t Task, err error) {
	r := reader{rest: b}
	t.Client, t.ID, t.Name, t.Signature = r.text(), r.uint(anyNumber), r.text(), r.uint(anyNumber)
	t.Count = int(r.uint(maxCount))
	t.Soft, t.Hard, t.Deaf = r.duration(), r.duration(), r.duration()
	t.Attempts, t.Kills, t.Size = int(r.uint(1<<31))-1, int(r.uint(1<<31-1)), int(r.uint(maxSize))
	if carry := r.bytes(CarryBytes); len(carry) == CarryBytes {
		t.Carry = [CarryBytes]byte(carry)
	} else if len(carry) > 0 {
		r.fail()
	}
	switch {
	case t.Size > Inline:
		t.Digest = r.uint(anyNumber)
	case t.Size == 0 && len(r.rest) > 0:
		if t.Nil = r.uint(isNil) == isNil; !t.Nil {
			r.fail()
		}
	default:
		t.Arg, r.rest = r.rest, nil
	}
	if r.err(true) != nil || t.Count == 0 || t.Size <= Inline && len(t.Arg) != t.Size || !Name(t.Client) {
		return Task{}, ErrFormat
	}
	return t, nil
}

func flag(b bool) uint64 {
	if b {
		return 1
	}
	return 0
}

// Name reports whether s can be a part of a subject: it has letters, digits, - and _ alone.
func Name(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for _, c := range []byte(s) {
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', c == '-', c == '_':
		default:
			return false
		}
	}
	return true
}
