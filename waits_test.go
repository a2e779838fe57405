package shmkit

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/internal/wait"
	"github.com/shmkit/shmkit/manager"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/queue/pipe"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

func TestMain(m *testing.M) {
	pool.Main()
	os.Exit(m.Run())
}

var background = context.Background()

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A waitList is what each wait of the toolkit says when its time is up.
type waitList struct {
	t    *testing.T
	seen map[string]bool // names of api/*.txt
}

var (
	since   = regexp.MustCompile(`since \d\d:\d\d:\d\d\.\d{3}`)
	holders = fmt.Sprintf("(pid %d)", os.Getpid())
)

// none is the holder of what no process holds up.
const none = ""

// add has f wait until its context ends. Its error must name the object and say since when it was
// waited; it names the holder, where there is one. A name is that of api/*.txt.
func (w *waitList) add(name, object, holder string, f func(ctx context.Context) error) {
	w.t.Helper()
	w.seen[name] = true
	var err error
	// on a busy machine a short time is over before the wait has begun
	for d := 20 * time.Millisecond; d < time.Minute; d *= 10 {
		//clock: the time-out is the subject
		ctx, cancel := context.WithTimeout(background, d)
		err = f(ctx)
		cancel()
		text := fmt.Sprint(err)
		if errors.Is(err, context.DeadlineExceeded) && strings.Contains(text, object) && strings.Contains(text, holder) && since.MatchString(text) {
			return
		}
	}
	w.t.Errorf("%s: must be a DeadlineExceeded that names %s and %q, and says since when: %v", name, object, holder, err)
}

// discard makes an error of a function's two results.
func discard[T any](_ T, err error) error { return err }

// inside calls outer while enter has called its argument.
func inside(enter func(inner func()) error, outer func()) {
	entered, leave, left := make(chan bool), make(chan bool), make(chan error)
	go func() { left <- enter(func() { entered <- true; <-leave }) }()
	<-entered
	outer()
	close(leave)
	must(0, <-left)
}

func TestWaitsNameObjectHolderAndTime(t *testing.T) {
	dir := proctest.Dir(t)
	t.Setenv("SHMKIT_DIR", dir)
	seg := must(shm.Create(filepath.Join(dir, "scene"), shm.Options{Size: 8 << 20}))
	defer seg.Close()
	w := &waitList{t, map[string]bool{}}
	w.locks(seg)
	w.events(seg)
	w.queues(seg)
	w.broadcasts(seg)
	w.values(seg)
	w.dicts(seg)
	w.pipes()
	w.processes()
	w.calls(t)
	w.checkAll()
}

func (w *waitList) locks(seg *shm.Segment) {
	repair := func(*shmsync.OwnerDiedError) error { return nil }
	mu := must(shmsync.NewMutex(seg, "mu", shmsync.MutexOptions{}))
	must(0, mu.Lock(background))
	w.add("sync (*Mutex) Lock", `mutex "mu"`, holders, mu.Lock)
	w.add("sync (*Mutex) LockRepair", `mutex "mu"`, holders, func(ctx context.Context) error { return mu.LockRepair(ctx, repair) })
	cond := must(shmsync.NewCond(seg, "cond", shmsync.CondOptions{}))
	w.add("sync (*Cond) Wait", `cond "cond"`, none, func(ctx context.Context) error { return cond.Wait(ctx, mu) })
	w.add("sync (*Cond) WaitFor", `cond "cond"`, none, func(ctx context.Context) error {
		return cond.WaitFor(ctx, mu, func() bool { return false })
	})
	mu.Unlock()
	rm := must(shmsync.NewRecursiveMutex(seg, "rm", shmsync.MutexOptions{}))
	mine, other := new(shmsync.Holder), new(shmsync.Holder)
	must(0, rm.Lock(background, mine))
	w.add("sync (*RecursiveMutex) Lock", `mutex "rm"`, holders, func(ctx context.Context) error { return rm.Lock(ctx, other) })
	w.add("sync (*RecursiveMutex) LockRepair", `mutex "rm"`, holders, func(ctx context.Context) error { return rm.LockRepair(ctx, other, repair) })
	rm.Unlock(mine)
	rw := must(shmsync.NewRWMutex(seg, "rw", shmsync.RWMutexOptions{}))
	must(0, rw.Lock(background))
	w.add("sync (*RWMutex) Lock", `rwmutex "rw"`, holders, rw.Lock)
	w.add("sync (*RWMutex) LockRepair", `rwmutex "rw"`, holders, func(ctx context.Context) error { return rw.LockRepair(ctx, repair) })
	w.add("sync (*RWMutex) RLock", `rwmutex "rw"`, holders, rw.RLock)
	rw.Unlock()
	must(0, rw.RLock(background))
	w.add("sync (*RWMutex) Lock", `rwmutex "rw"`, holders, rw.Lock)
	rw.RUnlock()
	sem := must(shmsync.NewSemaphore(seg, "sem", 2, shmsync.SemaphoreOptions{Undo: true}))
	must(0, sem.Acquire(background, 2))
	w.add("sync (*Semaphore) Acquire", `semaphore "sem"`, holders, func(ctx context.Context) error { return sem.Acquire(ctx, 1) })
	must(0, sem.Release(2))
}

func (w *waitList) events(seg *shm.Segment) {
	event := must(shmsync.NewEvent(seg, "event", shmsync.EventOptions{}))
	w.add("sync (*Event) Wait", `event "event"`, none, event.Wait)
	barrier := must(shmsync.NewBarrier(seg, "barrier", 2, shmsync.BarrierOptions{}))
	w.add("sync (*Barrier) Wait", `barrier "barrier"`, none, func(ctx context.Context) error {
		barrier.Reset()
		return discard(barrier.Wait(ctx))
	})
	group := must(shmsync.NewWaitGroup(seg, "group", shmsync.WaitGroupOptions{}))
	must(0, group.Add(1))
	w.add("sync (*WaitGroup) Wait", `wait group "group"`, none, group.Wait)
	once := must(shmsync.NewOnce(seg, "once", shmsync.OnceOptions{}))
	inside(func(inner func()) error { return once.Do(background, func() error { inner(); return nil }) }, func() {
		w.add("sync (*Once) Do", `once "once"`, holders, func(ctx context.Context) error { return once.Do(ctx, func() error { return nil }) })
	})
	sel := shmsync.NewSelect(must(queue.NewQueue[int64](seg, "selected", 1, queue.Options{})).Gets())
	w.add("sync (*Select) Wait", "select", none, func(ctx context.Context) error { return discard(sel.Wait(ctx)) })
	must(0, sel.Close())
}

func (w *waitList) queues(seg *shm.Segment) {
	q := must(queue.NewQueue[int64](seg, "q", 1, queue.Options{Joinable: true}))
	w.add("queue (*Queue[T]) Get", `"q"`, none, func(ctx context.Context) error { return discard(q.Get(ctx)) })
	w.add("queue (*Queue[T]) GetBatch", `"q"`, none, func(ctx context.Context) error { return discard(q.GetBatch(ctx, make([]int64, 2))) })
	w.add("queue (*Queue[T]) Peek", `"q"`, none, func(ctx context.Context) error { return discard(q.Peek(ctx)) })
	must(0, q.Put(background, 1))
	w.add("queue (*Queue[T]) Put", `"q"`, none, func(ctx context.Context) error { return q.Put(ctx, 1) })
	w.add("queue (*Queue[T]) PutBatch", `"q"`, none, func(ctx context.Context) error { return discard(q.PutBatch(ctx, []int64{1, 2})) })
	w.add("queue (*Queue[T]) Reserve", `"q"`, none, func(ctx context.Context) error { return discard(q.Reserve(ctx)) })
	w.add("queue (*Queue[T]) Join", `"q"`, none, q.Join)
	looked := must(q.Peek(background))
	w.add("queue (*Queue[T]) Put", `"q"`, holders, func(ctx context.Context) error { return q.Put(ctx, 1) })
	must(0, looked.Release())
	place := must(q.Reserve(background))
	w.add("queue (*Queue[T]) Get", `"q"`, holders, func(ctx context.Context) error { return discard(q.Get(ctx)) })
	must(0, place.Commit())

	line := must(queue.NewSPSC[int64](seg, "line", 1, queue.Options{}))
	w.add("queue (*SPSC[T]) Get", `"line"`, none, func(ctx context.Context) error { return discard(line.Get(ctx)) })
	w.add("queue (*SPSC[T]) GetBatch", `"line"`, none, func(ctx context.Context) error { return discard(line.GetBatch(ctx, make([]int64, 2))) })
	w.add("queue (*SPSC[T]) Peek", `"line"`, none, func(ctx context.Context) error { return discard(line.Peek(ctx)) })
	must(line.PutBatch(background, make([]int64, line.Cap())))
	w.add("queue (*SPSC[T]) Put", `"line"`, holders, func(ctx context.Context) error { return line.Put(ctx, 1) })
	w.add("queue (*SPSC[T]) PutBatch", `"line"`, holders, func(ctx context.Context) error { return discard(line.PutBatch(ctx, []int64{1, 2})) })
	w.add("queue (*SPSC[T]) Reserve", `"line"`, holders, func(ctx context.Context) error { return discard(line.Reserve(ctx)) })

	b := must(queue.NewBytes(seg, "bytes", 64, queue.Options{Joinable: true}))
	x := []byte("x")
	w.add("queue (*Bytes) Get", `"bytes"`, none, func(ctx context.Context) error { return discard(b.Get(ctx)) })
	w.add("queue (*Bytes) AppendGet", `"bytes"`, none, func(ctx context.Context) error { return discard(b.AppendGet(ctx, nil)) })
	w.add("queue (*Bytes) GetBatch", `"bytes"`, none, func(ctx context.Context) error { return discard(b.GetBatch(ctx, make([][]byte, 2))) })
	w.add("queue (*Bytes) Peek", `"bytes"`, none, func(ctx context.Context) error { return discard(b.Peek(ctx)) })
	for b.TryPut(x) == nil {
	}
	w.add("queue (*Bytes) Put", `"bytes"`, none, func(ctx context.Context) error { return b.Put(ctx, x) })
	w.add("queue (*Bytes) PutBatch", `"bytes"`, none, func(ctx context.Context) error { return discard(b.PutBatch(ctx, [][]byte{x})) })
	w.add("queue (*Bytes) Reserve", `"bytes"`, none, func(ctx context.Context) error { return discard(b.Reserve(ctx, 3)) })
	w.add("queue (*Bytes) Join", `"bytes"`, none, b.Join)

	o := must(queue.NewObjects[string](seg, "objects", 64, queue.Options{Joinable: true}))
	w.add("queue (*Objects[T]) Get", `"objects"`, none, func(ctx context.Context) error { return discard(o.Get(ctx)) })
	w.add("queue (*Objects[T]) GetBatch", `"objects"`, none, func(ctx context.Context) error { return discard(o.GetBatch(ctx, make([]string, 2))) })
	for o.TryPut("x") == nil {
	}
	w.add("queue (*Objects[T]) Put", `"objects"`, none, func(ctx context.Context) error { return o.Put(ctx, "x") })
	w.add("queue (*Objects[T]) PutBatch", `"objects"`, none, func(ctx context.Context) error { return discard(o.PutBatch(ctx, []string{"x"})) })
	w.add("queue (*Objects[T]) Join", `"objects"`, none, o.Join)
}

func (w *waitList) broadcasts(seg *shm.Segment) {
	b := must(queue.NewBroadcast[int64](seg, "cast", 1, queue.Options{}))
	w.add("queue (*Broadcast[T]) AwaitReaders", `"cast"`, none, func(ctx context.Context) error { return b.AwaitReaders(ctx, 1) })
	r := must(b.Subscribe(queue.FromNewest))
	w.add("queue (*Reader[T]) Get", `"cast"`, none, func(ctx context.Context) error { return discard(r.Get(ctx)) })
	w.add("queue (*Reader[T]) GetBatch", `"cast"`, none, func(ctx context.Context) error { return discard(r.GetBatch(ctx, make([]int64, 1))) })
	w.add("queue (*Reader[T]) Peek", `"cast"`, none, func(ctx context.Context) error { return discard(r.Peek(ctx)) })
	for b.TryPut(1) == nil {
	}
	w.add("queue (*Broadcast[T]) Put", `"cast"`, holders, func(ctx context.Context) error { return b.Put(ctx, 1) })
	w.add("queue (*Broadcast[T]) PutBatch", `"cast"`, holders, func(ctx context.Context) error { return discard(b.PutBatch(ctx, []int64{1})) })
	w.add("queue (*Broadcast[T]) Reserve", `"cast"`, holders, func(ctx context.Context) error { return discard(b.Reserve(ctx)) })

	bytes := must(queue.NewBroadcastBytes(seg, "cast of bytes", 64, queue.Options{}))
	x := []byte("x")
	w.add("queue (*BroadcastBytes) AwaitReaders", `"cast of bytes"`, none, func(ctx context.Context) error { return bytes.AwaitReaders(ctx, 1) })
	of := must(bytes.Subscribe(queue.FromNewest))
	w.add("queue (*BytesReader) Get", `"cast of bytes"`, none, func(ctx context.Context) error { return discard(of.Get(ctx)) })
	w.add("queue (*BytesReader) AppendGet", `"cast of bytes"`, none, func(ctx context.Context) error { return discard(of.AppendGet(ctx, nil)) })
	w.add("queue (*BytesReader) GetBatch", `"cast of bytes"`, none, func(ctx context.Context) error { return discard(of.GetBatch(ctx, make([][]byte, 1))) })
	w.add("queue (*BytesReader) Peek", `"cast of bytes"`, none, func(ctx context.Context) error { return discard(of.Peek(ctx)) })
	for bytes.TryPut(x) == nil {
	}
	w.add("queue (*BroadcastBytes) Put", `"cast of bytes"`, holders, func(ctx context.Context) error { return bytes.Put(ctx, x) })
	w.add("queue (*BroadcastBytes) PutBatch", `"cast of bytes"`, holders, func(ctx context.Context) error { return discard(bytes.PutBatch(ctx, [][]byte{x})) })
	w.add("queue (*BroadcastBytes) Reserve", `"cast of bytes"`, holders, func(ctx context.Context) error { return discard(bytes.Reserve(ctx, 3)) })

	objects := must(queue.NewBroadcastObjects[string](seg, "cast of objects", 64, queue.Options{}))
	w.add("queue (*BroadcastObjects[T]) AwaitReaders", `"cast of objects"`, none, func(ctx context.Context) error { return objects.AwaitReaders(ctx, 1) })
	from := must(objects.Subscribe(queue.FromNewest))
	w.add("queue (*ObjectsReader[T]) Get", `"cast of objects"`, none, func(ctx context.Context) error { return discard(from.Get(ctx)) })
	for objects.TryPut("x") == nil {
	}
	w.add("queue (*BroadcastObjects[T]) Put", `"cast of objects"`, holders, func(ctx context.Context) error { return objects.Put(ctx, "x") })
	w.add("queue (*BroadcastObjects[T]) PutBatch", `"cast of objects"`, holders, func(ctx context.Context) error { return discard(objects.PutBatch(ctx, []string{"x"})) })
	for _, leave := range []interface{ Close() error }{r, of, from} {
		must(0, leave.Close())
	}
}

func (w *waitList) values(seg *shm.Segment) {
	array := must(shm.NewArray[int64](seg, "array", 2))
	nothing := func([]int64) error { return nil }
	inside(func(inner func()) error { return array.Update(background, func([]int64) error { inner(); return nil }) }, func() {
		w.add("shm (*Array[T]) Set", `"array"`, holders, func(ctx context.Context) error { return array.Set(ctx, 0, 1) })
		w.add("shm (*Array[T]) Update", `"array"`, holders, func(ctx context.Context) error { return array.Update(ctx, nothing) })
		w.add("shm (*Array[T]) UpdateRange", `"array"`, holders, func(ctx context.Context) error { return array.UpdateRange(ctx, 0, 1, nothing) })
		w.add("shm (*Array[T]) Read", `"array"`, holders, func(ctx context.Context) error { return array.Read(ctx, nothing) })
	})
	value := must(shm.NewValue(seg, "value", int64(1)))
	inside(func(inner func()) error { return value.Update(background, func(*int64) error { inner(); return nil }) }, func() {
		w.add("shm (*Value[T]) Store", `"value"`, holders, func(ctx context.Context) error { return value.Store(ctx, 1) })
		w.add("shm (*Value[T]) Update", `"value"`, holders, func(ctx context.Context) error { return value.Update(ctx, func(*int64) error { return nil }) })
	})
	list := must(shm.NewList[int64](seg, "list"))
	must(list.Append(background, 1))
	inside(func(inner func()) error {
		return list.Update(background, 0, func(*int64) error { inner(); return nil })
	}, func() {
		w.add("shm (*List[T]) Append", `"list"`, holders, func(ctx context.Context) error { return discard(list.Append(ctx, 1)) })
		w.add("shm (*List[T]) Set", `"list"`, holders, func(ctx context.Context) error { return list.Set(ctx, 0, 1) })
		w.add("shm (*List[T]) Update", `"list"`, holders, func(ctx context.Context) error { return list.Update(ctx, 0, func(*int64) error { return nil }) })
		w.add("shm (*List[T]) Pop", `"list"`, holders, func(ctx context.Context) error { _, _, err := list.Pop(ctx); return err })
		w.add("shm (*List[T]) Truncate", `"list"`, holders, func(ctx context.Context) error { return list.Truncate(ctx, 0) })
	})
	text := must(shm.NewVar[string](seg, "var", "x"))
	_, revision, err := text.Wait(background, 0)
	must(0, err)
	w.add("shm (*Var[T]) Wait", `"var"`, none, func(ctx context.Context) error { _, _, err := text.Wait(ctx, revision); return err })
	unlock := lockAll(seg, "var", segment.KindVar, lock.RoleLock)
	w.add("shm (*Var[T]) Store", `"var"`, holders, func(ctx context.Context) error { return text.Store(ctx, "y") })
	w.add("shm (*Var[T]) Update", `"var"`, holders, func(ctx context.Context) error {
		return text.Update(ctx, func(s string) (string, error) { return s, nil })
	})
	unlock()
}

func (w *waitList) dicts(seg *shm.Segment) {
	d := must(shm.NewDict[string, int64](seg, "dict", shm.DictOptions{}))
	must(0, d.Set(background, "k", 1))
	one := func(context.Context) (int64, error) { return 1, nil }
	inside(func(inner func()) error {
		return discard(d.Do(background, "new", func(context.Context) (int64, error) { inner(); return 1, nil }))
	}, func() {
		w.add("shm (*Dict[K, V]) Do", `"dict"`, holders, func(ctx context.Context) error { return discard(d.Do(ctx, "new", one)) })
	})
	defer lockAll(seg, "dict", segment.KindDict, lock.RoleStripe)()
	w.add("shm (*Dict[K, V]) Do", `"dict"`, holders, func(ctx context.Context) error { return discard(d.Do(ctx, "newer", one)) })
	w.add("shm (*Dict[K, V]) Set", `"dict"`, holders, func(ctx context.Context) error { return d.Set(ctx, "k", 1) })
	w.add("shm (*Dict[K, V]) SetFor", `"dict"`, holders, func(ctx context.Context) error { return d.SetFor(ctx, "k", 1, time.Hour) })
	w.add("shm (*Dict[K, V]) Delete", `"dict"`, holders, func(ctx context.Context) error { return discard(d.Delete(ctx, "k")) })
	w.add("shm (*Dict[K, V]) Clear", `"dict"`, holders, d.Clear)
	w.add("shm (*Dict[K, V]) Swap", `"dict"`, holders, func(ctx context.Context) error { _, _, err := d.Swap(ctx, "k", 1); return err })
	w.add("shm (*Dict[K, V]) Take", `"dict"`, holders, func(ctx context.Context) error { _, _, err := d.Take(ctx, "k"); return err })
	w.add("shm (*Dict[K, V]) GetOrSet", `"dict"`, holders, func(ctx context.Context) error { _, _, err := d.GetOrSet(ctx, "other", 1); return err })
	w.add("shm (*Dict[K, V]) Update", `"dict"`, holders, func(ctx context.Context) error {
		return discard(d.Update(ctx, "k", func(v int64, _ bool) (int64, error) { return v, nil }))
	})
	w.add("shm CompareAndSwap", `"dict"`, holders, func(ctx context.Context) error { return discard(shm.CompareAndSwap(ctx, d, "k", 1, 2)) })
	w.add("shm Add", `"dict"`, holders, func(ctx context.Context) error { return discard(shm.Add(ctx, d, "k", 1)) })
}

// lockAll locks all locks of an object as a process does that changes it, which no function of a
// user can hold up.
func lockAll(seg *shm.Segment, name string, kind segment.Kind, role lock.Role) (unlock func()) {
	f := must(inspect.Open(seg.Path()))
	defer f.Close()
	described := must(must(inspect.Read(f)).Object(name, describe.Want{}))
	o := must(segment.Of(seg).Open(segment.Spec{Name: name, Kind: kind, Type: described.Type, Size: segment.AnySize}))
	count := uint32(1)
	if kind == segment.KindDict {
		count = binary.NativeEndian.Uint32(o.Payload)
	}
	var all []*lock.Mutex
	for i := range count {
		at, _ := segment.LockAt(kind, lock.NewStripeTarget(role, 0, 0, i))
		mu := lock.NewMutex(o.Party(), o.Payload[at:], wait.Adaptive)
		must(0, mu.Lock(background))
		all = append(all, mu)
	}
	return func() {
		for _, mu := range all {
			mu.Unlock()
		}
	}
}

func (w *waitList) pipes() {
	full := must(pipe.Listen("door", pipe.ListenOptions{}))
	defer full.Close()
	w.add("queue-pipe Dial", "door", holders, func(ctx context.Context) error {
		for {
			if _, err := pipe.Dial(ctx, "door", pipe.DialOptions{}); err != nil {
				return err
			}
		}
	})
	typed := must(pipe.ListenTyped[string, string]("typed", pipe.TypedOptions{}))
	defer typed.Close()
	w.add("queue-pipe (*TypedListener[S, R]) Accept", "typed", none, func(ctx context.Context) error { return discard(typed.Accept(ctx)) })
	c := must(pipe.DialTyped[string, string](background, "typed", pipe.TypedOptions{}))
	defer c.Close()
	w.add("queue-pipe (*TypedConn[S, R]) Recv", "typed", none, func(ctx context.Context) error { return discard(c.Recv(ctx)) })
	long := strings.Repeat("x", 1<<20)
	w.add("queue-pipe (*TypedConn[S, R]) Send", "typed", none, func(ctx context.Context) error {
		for {
			if err := c.Send(ctx, long); err != nil {
				return err
			}
		}
	})
}

var stay = pool.Define("stay", func(ctx context.Context, _ int) (int, error) {
	<-ctx.Done()
	return 0, ctx.Err()
})

var silent = pool.DefineStream("silent", func(ctx context.Context, _ int) iter.Seq2[int, error] {
	return func(func(int, error) bool) { <-ctx.Done() }
})

func (w *waitList) processes() {
	p := must(process.Start(background, stay, 0, process.Options{Name: "teller"}))
	w.add("process (*Process) Join", "teller", fmt.Sprintf("(pid %d)", p.PID()), p.Join)
	must(0, p.Kill())
	must(0, p.Join(background))
	workers := must(pool.NewLocal(background, pool.Options{Workers: 1}))
	defer workers.Terminate(0)
	w.add("pool Apply", `task "stay"`, "Worker-1", func(ctx context.Context) error { return discard(pool.Apply(ctx, workers, stay, 0)) })
	w.add("pool Stream", `task "silent"`, none, func(ctx context.Context) (err error) {
		for _, err = range pool.Stream(ctx, workers, silent, 0) {
		}
		return err
	})
	f := must(pool.ApplyAsync(background, workers, stay, 0))
	w.add("pool (*Future[R]) Get", "future", none, func(ctx context.Context) error { return discard(f.Get(ctx)) })
	w.add("pool (*Pool) Join", "pool", none, workers.Join)
}

var (
	desk = manager.Define("desk", func(context.Context, struct{}) (*int, error) { return new(int), nil })
	sit  = manager.Method(desk, "sit", func(_ *int, ctx context.Context, _ struct{}) (int, error) {
		<-ctx.Done()
		return 0, ctx.Err()
	})
)

func (w *waitList) calls(t *testing.T) {
	l := must(net.Listen("unix", filepath.Join(proctest.Dir(t), "manager")))
	s := must(manager.Serve(background, l, manager.Options{}))
	defer s.Close(background)
	m := must(manager.Dial(background, "unix://"+l.Addr().String(), manager.Options{}))
	defer m.Close()
	ref := must(desk.New(background, m, struct{}{}))
	w.add("manager (*Call[T, A, R]) Call", "sit", l.Addr().String(), func(ctx context.Context) error { return discard(sit.Call(ctx, ref, struct{}{})) })
	future := sit.Go(background, ref, struct{}{})
	w.add("manager (*Future[R]) Get", "call", none, func(ctx context.Context) error { return discard(future.Get(ctx)) })
}

// elsewhere are functions with a context that wait as others of the list do, or for nothing that an
// object holds up.
var elsewhere = map[string]string{
	`\) (All|Changes|Each)$`:                           "an iterator yields the error of the Get, Wait or Call that it makes",
	`^sync \(\*HolderMutex\)`:                          "calls the RecursiveMutex",
	`^shm (Open|OpenOrCreate|Remove)Context$`:          "waits for a process that clears the process table",
	`WithContext$|\(\*Segment\) Context$`:              "does not wait",
	`DialTyped$`:                                       "dials",
	`^pool Map$`:                                       "returns the cause itself, as its iterators do",
	`^pool (ApplyAsync|MapAsync|IMap\w*|AsCompleted)$`: "waits as Apply and Future.Get do",
	`^(pool|process|manager) (Carried|Define\w*|Finalize|Keep|Logger|Initialize|Shared|Maker|Method|Yields)`: "does not wait",
	`^pool (New|NewLocal|\(\*Pool\) Restart)$|^process (Start|Shutdown)$`:                                    "waits for processes that begin or end",
	`^pool \(\*Resource`:               "does not wait for others",
	`^shm \(\*Array\[T\]\) (At|Copy)$`: "takes no lock",
	`^manager (Dial|Start|Serve|\(\*Server\) Close|\(\*Manager\) Shutdown)$`:        "waits for a process that begins or ends",
	`^manager .*(Dict|List|Type|Namespace|\(\*Call\[T, A, R\]\) Go|Objects|Remove)`: "calls",
}

var contexted = regexp.MustCompile(`^(?:func|method) ((?:\([^)]*\) )?\w+)(?:\[.*?\])?\(.*\bcontext\.Context`)

// checkAll checks that each exported function with a context is in the list, or elsewhere.
func (w *waitList) checkAll() {
	for _, name := range []string{"sync", "queue", "queue-pipe", "shm", "pool", "process", "manager"} {
		text := must(os.ReadFile(filepath.Join("api", name+".txt")))
		for line := range strings.Lines(string(text)) {
			m := contexted.FindStringSubmatch(line)
			if m == nil || w.seen[name+" "+m[1]] {
				continue
			}
			known := false
			for pattern := range elsewhere {
				known = known || regexp.MustCompile(pattern).MatchString(name+" "+m[1])
			}
			if !known {
				w.t.Errorf("%s %s takes a context: add what it says when its time is up", name, m[1])
			}
		}
	}
}
