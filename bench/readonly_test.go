//go:build linux

package bench

import (
	"context"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A lookRow is a read that BenchmarkReadOnly repeats.
type lookRow struct {
	op   string
	open func(b *testing.B, seg *shm.Segment) (look func(n int) error) // n times
}

// times repeats a call, the error of which ends it.
func times(n int, f func() error) error {
	for range n {
		if err := f(); err != nil {
			return err
		}
	}
	return nil
}

// opened is the handle that an OpenX returns.
func opened[H any](b *testing.B) func(h H, err error) H {
	return func(h H, err error) H {
		if err != nil {
			b.Fatal(err)
		}
		return h
	}
}

var lookRows = []lookRow{
	{"value-8", func(b *testing.B, seg *shm.Segment) func(n int) error {
		v := opened[*shm.Value[int64]](b)(shm.OpenValue[int64](seg, "value-8"))
		return func(n int) error { return times(n, func() error { _, err := v.Load(); return err }) }
	}},
	{"value-512", func(b *testing.B, seg *shm.Segment) func(n int) error {
		v := opened[*shm.Value[[64]int64]](b)(shm.OpenValue[[64]int64](seg, "value-512"))
		return func(n int) error { return times(n, func() error { _, err := v.Load(); return err }) }
	}},
	{"raw-value", func(b *testing.B, seg *shm.Segment) func(n int) error {
		v := opened[*shm.RawValue[int64]](b)(shm.OpenRawValue[int64](seg, "raw-value"))
		return func(n int) error { return times(n, func() error { v.Load(); return nil }) }
	}},
	{"array-at", func(b *testing.B, seg *shm.Segment) func(n int) error {
		a := opened[*shm.Array[int64]](b)(shm.OpenArray[int64](seg, "array"))
		return func(n int) error {
			return times(n, func() error { _, err := a.At(context.Background(), 7); return err })
		}
	}},
	{"array-copy-8k", func(b *testing.B, seg *shm.Segment) func(n int) error {
		a := opened[*shm.Array[int64]](b)(shm.OpenArray[int64](seg, "array"))
		dst := make([]int64, a.Len())
		return func(n int) error {
			return times(n, func() error { _, err := a.Copy(context.Background(), dst, 0); return err })
		}
	}},
	{"int64", func(b *testing.B, seg *shm.Segment) func(n int) error {
		a := opened[*shm.Int64](b)(shm.OpenInt64(seg, "int64"))
		return func(n int) error { return times(n, func() error { a.Load(); return nil }) }
	}},
	{"counter", func(b *testing.B, seg *shm.Segment) func(n int) error {
		c := opened[*shm.Counter](b)(shm.OpenCounter(seg, "counter"))
		return func(n int) error { return times(n, func() error { c.Sum(); return nil }) }
	}},
	{"load", func(b *testing.B, seg *shm.Segment) func(n int) error {
		v := opened[*shm.Var[string]](b)(shm.OpenVar[string](seg, "var"))
		return func(n int) error { return times(n, func() error { _, err := v.Load(); return err }) }
	}},
	{"get", func(b *testing.B, seg *shm.Segment) func(n int) error {
		d := opened[*shm.Dict[uint64, uint64]](b)(shm.OpenDict[uint64, uint64](seg, "dict"))
		return func(n int) error { return times(n, func() error { _, _, err := d.Get(7); return err }) }
	}},
	{"get-text", func(b *testing.B, seg *shm.Segment) func(n int) error {
		d := opened[*shm.Dict[string, [12]int64]](b)(shm.OpenDict[string, [12]int64](seg, "texts"))
		return func(n int) error { return times(n, func() error { _, _, err := d.Get("key"); return err }) }
	}},
	{"open", func(b *testing.B, seg *shm.Segment) func(n int) error {
		return func(n int) error {
			return times(n, func() error {
				v, err := shm.OpenInt64(seg, "int64")
				if err != nil {
					return err
				}
				return v.Detach()
			})
		}
	}},
}

// fillLookRows makes what lookRows read.
func fillLookRows(seg *shm.Segment) error {
	ctx := context.Background()
	for _, make := range []func() error{
		func() error { _, err := shm.NewValue(seg, "value-8", int64(7)); return err },
		func() error { _, err := shm.NewValue(seg, "value-512", [64]int64{7}); return err },
		func() error { _, err := shm.NewRawValue(seg, "raw-value", int64(7)); return err },
		func() error { _, err := shm.NewArray[int64](seg, "array", 1024); return err },
		func() error { _, err := shm.NewInt64(seg, "int64", 7); return err },
		func() error { _, err := shm.NewCounter(seg, "counter"); return err },
		func() error { _, err := shm.NewVar(seg, "var", "text"); return err },
		func() error {
			d, err := shm.NewDict[uint64, uint64](seg, "dict", shm.DictOptions{})
			if err != nil {
				return err
			}
			return d.Set(ctx, 7, 7)
		},
		func() error {
			d, err := shm.NewDict[string, [12]int64](seg, "texts", shm.DictOptions{})
			if err != nil {
				return err
			}
			return d.Set(ctx, "key", [12]int64{7})
		},
	} {
		if err := make(); err != nil {
			return err
		}
	}
	return nil
}

// BenchmarkReadOnly reads objects of a segment that is open for reading only (impl=ro), and beside
// it the same as a process does that may write (impl=rw), which is the floor.
func BenchmarkReadOnly(b *testing.B) {
	path := filepath.Join(proctest.Dir(b), "segment")
	rw := opened[*shm.Segment](b)(shm.Create(path, shm.Options{}))
	defer rw.Close()
	if err := fillLookRows(rw); err != nil {
		b.Fatal(err)
	}
	ro := opened[*shm.Segment](b)(shm.OpenReadOnly(path))
	defer ro.Close()
	for _, row := range lookRows {
		for _, seg := range []*shm.Segment{rw, ro} {
			impl := map[bool]string{false: "rw", true: "ro"}[seg.ReadOnly()]
			b.Run("op="+row.op+"/impl="+impl, func(b *testing.B) {
				look := row.open(b, seg)
				b.ReportAllocs()
				b.ResetTimer()
				if err := look(b.N); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}
