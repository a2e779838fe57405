package wire

import (
	"encoding/binary"
	"hash/fnv"
	"slices"
	"strconv"
)

// Life is a sign of life of a host.
type Life struct {
	Host    string // id
	Name    string
	PID     int
	Build   string
	Workers int
	Held    int  // tasks, those that wait for a worker included
	Leaving bool // it takes no more
	Tags    []string
	Tasks   []Signature
}

// A Signature is what a host knows of a task.
type Signature struct {
	Name string
	Hash uint64 // of its types, and of how the processor lays them out
}

// AppendLife appends l to b.
func AppendLife(b []byte, l *Life) []byte {
	b = appendText(appendText(b, l.Host), l.Name)
	for _, v := range [...]uint64{uint64(l.PID), uint64(l.Workers), uint64(l.Held), flag(l.Leaving), uint64(len(l.Tags))} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendText(b, l.Build)
	for _, t := range l.Tags {
		b = appendText(b, t)
	}
	for _, t := range l.Tasks {
		b = binary.AppendUvarint(appendText(b, t.Name), t.Hash)
	}
	return b
}

// ReadLife returns the Life in b.
func ReadLife(b []byte) (l Life, err error) {
	r := reader{rest: b}
	l.Host, l.Name, l.PID, l.Workers = r.text(), r.text(), int(r.uint(1<<31)), int(r.uint(1<<20))
	l.Held, l.Leaving = int(r.uint(1<<31)), r.uint(1) != 0
	tags := int(r.uint(1 << 10))
	l.Build = r.text()
	for range tags {
		if t := r.text(); !r.bad {
			l.Tags = append(l.Tags, t)
		}
	}
	for len(r.rest) > 0 && len(l.Tasks) < maxTasks {
		if t := (Signature{r.text(), r.uint(anyNumber)}); !r.bad {
			l.Tasks = append(l.Tasks, t)
		}
	}
	if r.err(true) != nil || !Name(l.Host) {
		return Life{}, ErrFormat
	}
	return l, nil
}

// Set names the tasks and tags of a host, so that hosts which can do the same have the same set.
func (l *Life) Set() string {
	h := fnv.New64a()
	write := func(s string) {
		h.Write(strconv.AppendInt(nil, int64(len(s)), 10))
		h.Write([]byte(":" + s))
	}
	for _, t := range slices.Sorted(slices.Values(l.Tags)) {
		write(t)
	}
	write("")
	var names []string
	for _, t := range l.Tasks {
		names = append(names, t.Name+"/"+strconv.FormatUint(t.Hash, 16))
	}
	slices.Sort(names)
	for _, n := range names {
		write(n)
	}
	return strconv.FormatUint(h.Sum64(), 16)
}
