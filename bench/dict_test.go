//go:build linux

package bench

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A dictCase is what a row of BenchmarkDict does to a loaded map.
type dictCase struct {
	keys  int
	long  bool // keys of 32 bytes and values of 100, not of 8 and 8
	reads int  // percent
	zipf  bool
	procs int
}

type (
	longKey   [32]byte
	longValue [100]byte
)

func (c dictCase) String() string {
	keys := map[int]string{1_000: "1k", 10_000: "10k", 1_000_000: "1M"}[c.keys]
	kv, dist := "8-8", "uniform"
	if c.long {
		kv = "32-100"
	}
	if c.zipf {
		dist = "zipf"
	}
	return fmt.Sprintf("keys=%s/kv=%s/reads=%d/dist=%s/procs=%d", keys, kv, c.reads, dist, c.procs)
}

// dictCases are the rows of every implementation: those that are asked about first, or all with
// SHMKIT_BENCH=full. With -short the maps are small, for a run that only shows that each row works.
func dictCases() (all []dictCase) {
	if os.Getenv("SHMKIT_BENCH") != "full" {
		base := dictCase{keys: 1_000_000, reads: 95, procs: 1}
		if testing.Short() {
			base.keys = 10_000
		}
		for _, change := range []func(c *dictCase){
			func(*dictCase) {}, func(c *dictCase) { c.procs = 2 },
			func(c *dictCase) { c.long = true }, func(c *dictCase) { c.long, c.procs = true, 2 },
			func(c *dictCase) { c.long, c.procs, c.reads = true, 2, 50 },
			func(c *dictCase) { c.keys = 1_000 }, func(c *dictCase) { c.reads = 100 }, func(c *dictCase) { c.zipf = true },
		} {
			c := base
			change(&c)
			all = append(all, c)
		}
		return all
	}
	for _, keys := range []int{1_000, 1_000_000} {
		for _, long := range []bool{false, true} {
			for _, reads := range []int{100, 95, 50} {
				for _, zipf := range []bool{false, true} {
					for procs := 1; procs <= 2; procs++ {
						all = append(all, dictCase{keys, long, reads, zipf, procs})
					}
				}
			}
		}
	}
	return all
}

// A dictTable is an implementation with keys of K and values of V.
type dictTable[K comparable, V any] interface {
	get(k K) bool
	set(k K, v V)
}

type sharedTable[K comparable, V any] struct{ d *shm.Dict[K, V] }

func (t *sharedTable[K, V]) get(k K) bool {
	_, ok, err := t.d.Get(k)
	return ok && err == nil
}

func (t *sharedTable[K, V]) set(k K, v V) {
	if err := t.d.Set(context.Background(), k, v); err != nil {
		panic(err)
	}
}

type lockedTable[K comparable, V any] struct {
	mu sync.RWMutex
	m  map[K]V
}

func (t *lockedTable[K, V]) get(k K) bool {
	t.mu.RLock()
	_, ok := t.m[k]
	t.mu.RUnlock()
	return ok
}

func (t *lockedTable[K, V]) set(k K, v V) {
	t.mu.Lock()
	t.m[k] = v
	t.mu.Unlock()
}

type syncTable[K comparable, V any] struct{ m sync.Map }

func (t *syncTable[K, V]) get(k K) bool {
	v, ok := t.m.Load(k)
	if ok {
		_ = v.(V)
	}
	return ok
}

func (t *syncTable[K, V]) set(k K, v V) { t.m.Store(k, v) }

func shortKey(i int) uint64 { return uint64(i) * 0x9e3779b97f4a7c15 }

func longKeyOf(i int) (k longKey) {
	for w := range 4 {
		binary.LittleEndian.PutUint64(k[8*w:], shortKey(4*i+w))
	}
	return k
}

func fillTable[K comparable, V any](t dictTable[K, V], keys int, key func(int) K) {
	for i := range keys {
		t.set(key(i), *new(V))
	}
}

// runTable does n operations.
func runTable[K comparable, V any](t dictTable[K, V], c dictCase, seed uint64, key func(int) K, n int) {
	r := rand.New(rand.NewPCG(seed, 1))
	var z *rand.Zipf
	if c.zipf {
		z = rand.NewZipf(r, 1.1, 1, uint64(c.keys-1))
	}
	var v V
	for range n {
		x := r.Uint64()
		i := int(x >> 16 % uint64(c.keys))
		if z != nil {
			i = int(z.Uint64())
		}
		k := key(i)
		if int(x&0xffff)*100>>16 < c.reads {
			if !t.get(k) {
				panic(fmt.Sprint("a key is missing: ", i))
			}
		} else {
			t.set(k, v)
		}
	}
}

// dict bench: PATH CASE, does as many operations as each line says.
var roleDictBench = proctest.Register("dict bench", func(args []string) {
	seg, err := shm.Open(args[0])
	if err != nil {
		panic(err)
	}
	var c dictCase
	if _, err := fmt.Sscan(args[1], &c.keys, &c.long, &c.reads, &c.zipf); err != nil {
		panic(err)
	}
	run := sharedRunner(seg, c)
	run(2, c.keys/4) // its first look at each page is no part of the row
	proctest.Say("ready")
	for {
		n, err := strconv.Atoi(proctest.Hear())
		if err != nil {
			panic(err)
		}
		run(2, n)
		proctest.Say("done")
	}
})

// sharedRunner opens or loads the Dict of a case, and returns what does operations on it.
func sharedRunner(seg *shm.Segment, c dictCase) func(seed uint64, n int) {
	if c.long {
		d := sharedDict[longKey, longValue](seg, c, longKeyOf)
		return func(seed uint64, n int) { runTable(d, c, seed, longKeyOf, n) }
	}
	d := sharedDict[uint64, uint64](seg, c, shortKey)
	return func(seed uint64, n int) { runTable(d, c, seed, shortKey, n) }
}

func sharedDict[K comparable, V any](seg *shm.Segment, c dictCase, key func(int) K) dictTable[K, V] {
	name := fmt.Sprint("dict ", c.keys, c.long)
	d, err := shm.NewDict[K, V](seg, name, shm.DictOptions{Capacity: c.keys})
	if err != nil {
		panic(err)
	}
	t := &sharedTable[K, V]{d}
	if d.Len() < c.keys {
		for range 2 { // the second time each value gets its two places
			fillTable(t, c.keys, key)
		}
	}
	return t
}

// goRunner is sharedRunner for a map of one process.
func goRunner(impl string, c dictCase) func(seed uint64, n int) {
	if c.long {
		t := goTable[longKey, longValue](impl)
		fillTable(t, c.keys, longKeyOf)
		return func(seed uint64, n int) { runTable(t, c, seed, longKeyOf, n) }
	}
	t := goTable[uint64, uint64](impl)
	fillTable(t, c.keys, shortKey)
	return func(seed uint64, n int) { runTable(t, c, seed, shortKey, n) }
}

func goTable[K comparable, V any](impl string) dictTable[K, V] {
	if impl == "sync-map" {
		return &syncTable[K, V]{}
	}
	return &lockedTable[K, V]{m: map[K]V{}}
}

// BenchmarkDict reads and sets keys of a map that was loaded before, with one process or two, of
// Go's maps with as many goroutines. Each row counts the operations of all of them.
func BenchmarkDict(b *testing.B) {
	seg, err := shm.Create(filepath.Join(proctest.Dir(b), "dict"), shm.Options{Size: 4 << 30})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	ps := newPeers(b)
	loaded := map[string]func(uint64, int){} // by implementation, keys and values
	for _, c := range dictCases() {
		b.Run(c.String(), func(b *testing.B) {
			b.Run("impl=shmkit", func(b *testing.B) { benchShared(b, seg, c) })
			for _, impl := range []string{"go-rwmutex", "sync-map"} {
				b.Run("impl="+impl, func(b *testing.B) {
					id := fmt.Sprint(impl, c.keys, c.long)
					if loaded[id] == nil {
						clear(loaded) // one large map at a time
						loaded[id] = goRunner(impl, c)
					}
					benchGo(b, goRunnerOf(loaded, id, impl, c), c)
				})
			}
			benchDictPeers(b, ps, c)
		})
	}
}

// goRunnerOf is the map that is loaded, used as the case says.
func goRunnerOf(loaded map[string]func(uint64, int), id, impl string, c dictCase) func(uint64, int) {
	if c.reads == 95 && !c.zipf {
		return loaded[id]
	}
	return goRunner(impl, c)
}

func benchShared(b *testing.B, seg *shm.Segment, c dictCase) {
	run := sharedRunner(seg, c)
	run(1, c.keys/4)
	if c.procs == 1 {
		b.ResetTimer()
		run(1, b.N)
		return
	}
	child := proctest.Start(b, roleDictBench, seg.Path(), fmt.Sprint(c.keys, c.long, c.reads, c.zipf))
	child.Expect("ready")
	b.ResetTimer()
	child.Send(strconv.Itoa(b.N / 2))
	run(1, b.N-b.N/2)
	child.Expect("done")
	b.StopTimer()
	child.Kill()
}

func benchGo(b *testing.B, run func(uint64, int), c dictCase) {
	b.ResetTimer()
	var all sync.WaitGroup
	for p := range c.procs {
		all.Go(func() { run(uint64(p+1), b.N/c.procs) })
	}
	all.Wait()
}

// BenchmarkDictHot gets keys of a map that fits into the cache.
func BenchmarkDictHot(b *testing.B) {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	defer seg.Close()
	for _, long := range []bool{false, true} {
		c := dictCase{keys: 10_000, long: long, reads: 100, procs: 1}
		kv := map[bool]string{false: "8-8", true: "32-100"}[long]
		for _, impl := range []string{"shmkit", "go-rwmutex", "sync-map"} {
			b.Run("keys=10k/op=get/kv="+kv+"/impl="+impl, func(b *testing.B) {
				run := goRunner(impl, c)
				if impl == "shmkit" {
					run = sharedRunner(seg, c)
				}
				run(1, c.keys)
				b.ReportAllocs()
				b.ResetTimer()
				run(1, b.N)
			})
		}
	}
}

// BenchmarkDictReplace sets each key of a map for the first time, the second and the third.
func BenchmarkDictReplace(b *testing.B) {
	for _, times := range []int{1, 2, 3} {
		name := map[int]string{1: "insert", 2: "first", 3: "later"}[times]
		b.Run("op="+name, func(b *testing.B) {
			const keys = 100_000
			var v longValue
			for done := 0; done < b.N; done += keys {
				b.StopTimer()
				seg, err := shm.Anonymous(shm.Options{Size: 1 << 30})
				if err != nil {
					b.Fatal(err)
				}
				d, err := shm.NewDict[string, []byte](seg, "d", shm.DictOptions{Capacity: keys})
				if err != nil {
					b.Fatal(err)
				}
				for round := range times {
					if round == times-1 {
						b.StartTimer()
					}
					for i := range min(keys, b.N-done) {
						k := longKeyOf(i)
						if err := d.Set(context.Background(), string(k[:]), v[:]); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.StopTimer()
				seg.Close()
				b.StartTimer()
			}
		})
	}
}
