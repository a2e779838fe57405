//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// What users of other shared maps have reported.

// dict worker: SEGMENT HOW, uses the Dict "d" until it is killed.
var roleDictWorker = proctest.Register("dict worker", func(args []string) {
	d := need(shm.OpenDict[string, string](need(shm.Open(args[0])), "d"))
	proctest.Say("ready")
	for i := 0; ; i++ {
		k := fmt.Sprint("key", i%50)
		if args[1] == "read" {
			_, _, err := d.Get(k)
			must(err)
			continue
		}
		must(d.Set(background, k, strings.Repeat("x", i%300)))
		if i%7 == 0 {
			need(d.Delete(background, k))
		}
	}
})

// krakjoe/apcu#632: a killed reader, or writer, kept all writers out for ever.
// OpenHFT/Chronicle-Map#99: after a death the map had to be recovered by a process that was alone.
func TestKilledWorkersKeepNobodyOut(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, string](seg, "d", shm.DictOptions{}))
	for i := range 30 {
		w := proctest.Start(t, roleDictWorker, seg.Path(), []string{"read", "write"}[i%2])
		w.Expect("ready")
		wantOK(t, d.Set(background, "mine", "before"))
		w.Signal(syscall.SIGKILL)
		w.Wait()
		for k := range 50 { // every stripe
			wantOK(t, d.Set(background, fmt.Sprint("key", k), strconv.Itoa(i)))
			if v, ok, err := d.Get(fmt.Sprint("key", k)); v != strconv.Itoa(i) || !ok || err != nil {
				t.Fatal(v, ok, err)
			}
		}
	}
}

// A reader goes on while a writer is stopped in the stripe; a writer waits until its context ends,
// and is told for whom.
func TestStoppedDictWriter(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, string](seg, "d", shm.DictOptions{}))
	w := proctest.Start(t, roleDictWorker, seg.Path(), "write")
	w.Expect("ready")
	for caught := false; !caught; {
		w.Signal(syscall.SIGSTOP)
		w.WaitStopped()
		for k := range 50 {
			_, _, err := d.Get(fmt.Sprint("key", k))
			wantOK(t, err)
			ctx, cancel := context.WithCancel(background)
			cancel()
			if err := d.Set(ctx, fmt.Sprint("key", k), "mine"); err != nil {
				caught = true
				if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), strconv.Itoa(w.PID())) {
					t.Errorf("a wait for a stopped writer: %v", err)
				}
			}
		}
		w.Signal(syscall.SIGCONT)
		proctest.Stagger(1e6)
	}
	w.Kill()
}

// OpenHFT/Chronicle-Map#533: a map that was made too small failed. This one grows a thousandfold.
func TestGrowthWithoutAHint(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 64 << 20})
	d := need(shm.NewDict[int64, string](seg, "d", shm.DictOptions{Capacity: 100}))
	for i := range int64(100_000) {
		wantOK(t, d.Set(background, i, "value"))
	}
	if d.Len() != 100_000 {
		t.Errorf("%d keys", d.Len())
	}
}

// openresty/lua-nginx-module#175, #279: sizes of values changed, and then there was "no memory",
// although there was.
func TestChangingSizesFindMemory(t *testing.T) {
	seg := newSegment(t, shm.Options{Size: 4 << 20})
	d := need(shm.NewDict[string, []byte](seg, "d", shm.DictOptions{MaxBytes: 2 << 20}))
	for _, n := range []int{100, 10_000, 100} {
		for i := range 20_000_000 / n / 10 {
			if err := d.Set(background, fmt.Sprint("key", i), make([]byte, n)); err != nil {
				t.Fatalf("value %d of %d bytes: %v", i, n, err)
			}
		}
		if b := d.Stats().Bytes; b > 2<<20 {
			t.Errorf("%d bytes are in use", b)
		}
	}
}

// krakjoe/apcu#416: a function that makes an entry used the cache itself, and waited for ever.
func TestFunctionsMayUseTheDict(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, int64](seg, "d", shm.DictOptions{}))
	n, err := d.Update(background, "a", func(old int64, _ bool) (int64, error) {
		wantOK(t, d.Set(background, "b", 1))
		return d.Update(background, "c", func(int64, bool) (int64, error) { return shm.Add(background, d, "b", 5) })
	})
	if n != 6 || err != nil {
		t.Error(n, err)
	}
	n, err = d.Do(background, "x", func(ctx context.Context) (int64, error) {
		return d.Do(ctx, "y", func(context.Context) (int64, error) { return shm.Add(background, d, "b", 1) })
	})
	if n != 7 || err != nil {
		t.Error(n, err)
	}
}

// happyfish100/libshmcache#20: memory was used again while a reader was copying out of it.
func TestValuesAreNeverTorn(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, string](seg, "d", shm.DictOptions{MaxBytes: 64 << 10}))
	var all sync.WaitGroup
	for w := range 2 {
		all.Go(func() {
			for i := range 20_000 {
				v := strings.Repeat(string(rune('a'+(i+w)%26)), i%900)
				must(d.Set(background, fmt.Sprint("key", i%300), v))
			}
		})
	}
	all.Go(func() {
		for i := range 60_000 {
			v, _, err := d.Get(fmt.Sprint("key", i%300))
			must(err)
			if v != "" && strings.Trim(v, v[:1]) != "" {
				t.Errorf("torn: %q", v)
				return
			}
		}
	})
	all.Wait()
}

// dict adder: SEGMENT, adds to the keys of the Dict "sums".
var roleDictAdder = proctest.Register("dict adder", func(args []string) {
	d := need(shm.OpenDict[string, int64](need(shm.Open(args[0])), "sums"))
	for i := range 4000 {
		need(shm.Add(background, d, fmt.Sprint("sum", i%3), 1))
		need(d.Update(background, "updated", func(n int64, _ bool) (int64, error) { return n + 1, nil }))
	}
})

// python/cpython#137233: d[k] += 1 lost additions.
func TestSumsAreExact(t *testing.T) {
	seg := newSegment(t, small)
	d := need(shm.NewDict[string, int64](seg, "sums", shm.DictOptions{}))
	var adders []*proctest.Child
	for range 4 {
		adders = append(adders, proctest.Start(t, roleDictAdder, seg.Path()))
	}
	for _, a := range adders {
		a.WaitOK()
	}
	sum := int64(0)
	for k, n := range d.All() {
		if k != "updated" {
			sum += n
		}
	}
	if n, _, err := d.Get("updated"); sum != 16000 || n != 16000 || err != nil {
		t.Errorf("the sums are %d and %d, %v, want 16000", sum, n, err)
	}
}

// tokener: SEGMENT, asks for a token when it is told to.
var roleTokener = proctest.Register("tokener", func(args []string) {
	seg := need(shm.Open(args[0]))
	d := need(shm.OpenDict[string, string](seg, "tokens"))
	fetched := need(shm.OpenCounter(seg, "fetched"))
	proctest.Say("ready")
	proctest.Hear()
	proctest.Say("%s", need(d.Do(background, "token", func(context.Context) (string, error) {
		fetched.Add(1)
		return "secret", nil
	})))
})

// GSA/notifications-api#1341: all workers need a token that one of them should fetch.
func TestOneWorkerFetchesTheToken(t *testing.T) {
	seg := newSegment(t, small)
	need(shm.NewDict[string, string](seg, "tokens", shm.DictOptions{}))
	fetched := need(shm.NewCounter(seg, "fetched"))
	var workers []*proctest.Child
	for range 5 {
		workers = append(workers, proctest.Start(t, roleTokener, seg.Path()))
	}
	for _, w := range workers {
		w.Expect("ready")
	}
	for _, w := range workers {
		w.Send("go")
	}
	for _, w := range workers {
		w.Expect("secret")
		w.WaitOK()
	}
	if n := fetched.Sum(); n != 1 {
		t.Errorf("the token was fetched %d times", n)
	}
}
