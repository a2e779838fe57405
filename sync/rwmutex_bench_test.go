//go:build linux

package shmsync_test

import (
	"testing"

	shmsync "github.com/shmkit/shmkit/sync"
)

func newRWMutex(t testing.TB, name string) *shmsync.RWMutex {
	t.Helper()
	m, err := shmsync.NewRWMutex(newSegment(t), name, shmsync.RWMutexOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// BenchmarkRWMutexUncontended locks and unlocks alone. Package bench compares it with others.
func BenchmarkRWMutexUncontended(b *testing.B) {
	b.Run("op=rlock", func(b *testing.B) {
		m := newRWMutex(b, "a")
		for range b.N {
			must(m.RLock(background))
			m.RUnlock()
		}
	})
	b.Run("op=wlock", func(b *testing.B) {
		m := newRWMutex(b, "a")
		for range b.N {
			must(m.Lock(background))
			m.Unlock()
		}
	})
	b.Run("op=tryrlock", func(b *testing.B) {
		m := newRWMutex(b, "a")
		for range b.N {
			must(m.TryRLock())
			m.RUnlock()
		}
	})
}
