//go:build linux

package shm

import (
	"context"
	"encoding/binary"
	"errors"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// restless returns a Value with a sequence that moves during every read of the function.
func restless(t *testing.T) (v *Value[int64], read func() (int64, bool)) {
	seg, err := Create(filepath.Join(proctest.Dir(t), "segment"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { seg.Close() })
	if v, err = NewValue(seg, "v", int64(7)); err != nil {
		t.Fatal(err)
	}
	return v, func() (int64, bool) {
		v.sequence.Add(2)
		return 0, false
	}
}

// Load ends, though the sequence never rests, whatever the lock is overwritten with.
func TestLoadEndsWhateverTheLockIs(t *testing.T) {
	defer func(before int) { loadRounds = before }(loadRounds)
	loadRounds = 3
	for _, word := range []uint32{0, 1, 1<<30 - 1, 1 << 30, 1 << 31, 1<<32 - 1} {
		v, read := restless(t)
		binary.NativeEndian.PutUint32(v.o.Payload, word)
		if _, err := v.loadSlow(read); !errors.Is(err, ErrCorrupt) {
			t.Errorf("%#x: %v", word, err)
		}
	}
}

// Load ends, though the sequence never rests, while a living process has the lock.
func TestLoadEndsWhileLocked(t *testing.T) {
	defer func(before int) { loadRounds = before }(loadRounds)
	loadRounds = 3
	v, read := restless(t)
	err := v.Update(context.Background(), func(*int64) error {
		if _, err := v.loadSlow(read); !errors.Is(err, ErrCorrupt) {
			t.Error(err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Load reads under the lock when writers are too fast for it.
func TestLoadLocksAgainstWriters(t *testing.T) {
	v, moved := restless(t)
	locked := func() (int64, bool) {
		if v.m.Held() {
			return v.read()
		}
		return moved()
	}
	if n, err := v.loadSlow(locked); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
}

// What moves the sequence while this process has the lock is no writer.
func TestLoadNoticesWritesWithoutTheLock(t *testing.T) {
	v, moved := restless(t)
	if _, err := v.loadSlow(moved); !errors.Is(err, ErrCorrupt) {
		t.Error(err)
	}
}
