//go:build linux

package bench

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

type config struct {
	Hosts []string
	Limit int64
}

// BenchmarkVarLoad loads a value that does not change; beside it an atomic pointer, by a call.
func BenchmarkVarLoad(b *testing.B) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	v, err := shm.NewVar(seg, "config", config{[]string{"a", "b"}, 7})
	if err != nil {
		b.Fatal(err)
	}
	b.Run("impl=shmkit", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if c, err := v.Load(); err != nil || c.Limit != 7 {
				b.Fatal(c, err)
			}
		}
	})
	b.Run("impl=go-pointer", func(b *testing.B) {
		var p atomic.Pointer[config]
		p.Store(&config{Limit: 7})
		for b.Loop() {
			if c := loadPointer(&p); c.Limit != 7 {
				b.Fatal(c)
			}
		}
	})
}

//go:noinline
func loadPointer(p *atomic.Pointer[config]) config { return *p.Load() }

// BenchmarkListAppend appends an element of 8 bytes; beside it a lock that no other process wants.
func BenchmarkListAppend(b *testing.B) {
	seg, err := shm.Anonymous(shm.Options{Size: 4 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	ctx := context.Background()
	l, err := shm.NewList[int64](seg, "list")
	if err != nil {
		b.Fatal(err)
	}
	b.Run("impl=shmkit", func(b *testing.B) {
		b.ReportAllocs()
		n := int64(0)
		for b.Loop() {
			if n++; n%(1<<20) == 0 {
				if err := l.Truncate(ctx, 0); err != nil {
					b.Fatal(err)
				}
			}
			if _, err := l.Append(ctx, n); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("impl=mutex", func(b *testing.B) {
		m, err := shmsync.NewMutex(seg, "mutex", shmsync.MutexOptions{})
		if err != nil {
			b.Fatal(err)
		}
		for b.Loop() {
			if err := m.Lock(ctx); err != nil {
				b.Fatal(err)
			}
			m.Unlock()
		}
	})
}

// BenchmarkListAt reads an element of 8 bytes.
func BenchmarkListAt(b *testing.B) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	l, err := shm.NewList[int64](seg, "list")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := l.Append(context.Background(), make([]int64, 1000)...); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := l.At(i % 1000); err != nil {
			b.Fatal(err)
		}
	}
}
