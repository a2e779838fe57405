package manager

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"slices"
	"testing"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/queue"
	shmsync "github.com/shmkit/shmkit/sync"
)

var (
	inventory = DictOf[string, []int]("test.inventory")
	words     = ListOf[string]("test.words")
	shelves   = ListOf[*Ref[*list[string]]]("test.shelves")
	numbers   = QueueOf[int64]("test.numbers")
	balances  = ValueOf[int64]("test.balance")
)

func TestDict(t *testing.T) {
	m := start(t, Options{})
	d, err := inventory.New(background, m, map[string][]int{"a": {1}})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Set(background, "b", []int{2, 3}); err != nil {
		t.Error(err)
	}
	if v, ok, err := d.Get(background, "b"); err != nil || !ok || !slices.Equal(v, []int{2, 3}) {
		t.Errorf("%v, %v, error %v", v, ok, err)
	}
	if _, ok, err := d.Get(background, "c"); ok || err != nil {
		t.Errorf("%v, error %v", ok, err)
	}
	all := map[string][]int{}
	var failed error
	for k, v := range d.All(background, &failed) {
		all[k] = v
	}
	same, err := d.Copy(background)
	equal := maps.EqualFunc(all, same, func(a, b []int) bool { return slices.Equal(a, b) })
	if failed != nil || err != nil || len(all) != 2 || !equal {
		t.Errorf("%v and %v, errors %v and %v", all, same, failed, err)
	}
	if ok, err := d.Delete(background, "a"); !ok || err != nil {
		t.Errorf("%v, error %v", ok, err)
	}
	if n, err := d.Len(background); n != 1 || err != nil {
		t.Errorf("%d, error %v", n, err)
	}
	d.Close()
	objects(t, m, 0)
}

// A list of lists: references lie in a list of the manager itself.
func TestListOfLists(t *testing.T) {
	m := start(t, Options{})
	inner, err := words.New(background, m, []string{"one"})
	if err != nil {
		t.Fatal(err)
	}
	outer, err := shelves.New(background, m, nil)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := outer.Append(background, inner.Ref); n != 1 || err != nil {
		t.Fatalf("%d, error %v", n, err)
	}
	if n, err := inner.Append(background, "two", "three"); n != 3 || err != nil {
		t.Errorf("%d, error %v", n, err)
	}
	inner.Close() // the outer one holds it
	ref, err := outer.Get(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	again := words.Of(ref)
	if err := again.Reverse(background); err != nil {
		t.Error(err)
	}
	if all, err := again.Copy(background); err != nil || !slices.Equal(all, []string{"three", "two", "one"}) {
		t.Errorf("%q, error %v", all, err)
	}
	if v, err := again.Delete(background, 1); v != "two" || err != nil {
		t.Errorf("%q, error %v", v, err)
	}
	if err := again.Set(background, 7, "x"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	if _, err := again.Get(background, -1); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("error %v", err)
	}
	if n, err := again.Len(background); n != 2 || err != nil {
		t.Errorf("%d, error %v", n, err)
	}
}

var (
	shelvesByName = DictOf[string, *Ref[*list[string]]]("test.shelvesByName")
	dictsInList   = ListOf[*Ref[*dict[string, []int]]]("test.dictsInList")
	queuesInList  = ListOf[*queue.Queue[int64]]("test.queuesInList")
)

// A dict has lists, a list has dicts, and a list has queues; each is shared by all that get it.
func TestNested(t *testing.T) {
	m := start(t, Options{})
	list, noList := words.New(background, m, []string{"one"})
	byName, noDict := shelvesByName.New(background, m, map[string]*Ref[*shelf]{"a": list.Ref})
	dict, noInner := inventory.New(background, m, nil)
	dicts, noDicts := dictsInList.New(background, m, []*Ref[*stock]{dict.Ref})
	q, noQueue := numbers.Named(background, m, "q", 8)
	queues, noQueues := queuesInList.New(background, m, []*queue.Queue[int64]{q})
	if err := errors.Join(noList, noDict, noInner, noDicts, noQueue, noQueues); err != nil {
		t.Fatal(err)
	}
	ref, ok, err := byName.Get(background, "a")
	if !ok || err != nil {
		t.Fatal(ok, err)
	}
	if _, err := words.Of(ref).Append(background, "two"); err != nil {
		t.Error(err)
	}
	if n, err := list.Len(background); n != 2 || err != nil {
		t.Errorf("%d, error %v", n, err)
	}
	inner, err := dicts.Get(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := inventory.Of(inner).Set(background, "x", []int{1}); err != nil {
		t.Error(err)
	}
	if v, ok, err := dict.Get(background, "x"); !ok || err != nil || len(v) != 1 {
		t.Errorf("%v, %v, error %v", v, ok, err)
	}
	same, err := queues.Get(background, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := same.Put(background, 7); err != nil {
		t.Error(err)
	}
	if n, err := q.Get(background); n != 7 || err != nil {
		t.Errorf("%d, error %v", n, err)
	}
}

type (
	shelf = list[string]
	stock = dict[string, []int]
)

// tasks is a pool that a manager keeps for all its clients.
var (
	tasks = Define("test.pool", func(ctx context.Context, workers int) (*pool.Pool, error) {
		return pool.New(context.WithoutCancel(ctx), pool.Options{Workers: workers})
	})
	squares = Method(tasks, "squares", func(p *pool.Pool, ctx context.Context, ns []int64) ([]int64, error) {
		return pool.Map(ctx, p, square, ns)
	})
	square = pool.Define("manager_test.square", func(_ context.Context, n int64) (int64, error) { return n * n, nil })
)

// A pool in a manager runs the tasks of its clients.
func TestPoolInAManager(t *testing.T) {
	p, err := tasks.New(background, start(t, Options{}), 2)
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	if got, err := squares.Call(background, p, []int64{1, 2, 3}); err != nil || !slices.Equal(got, []int64{1, 4, 9}) {
		t.Errorf("%v, error %v", got, err)
	}
}

// A Namespace without a name is shared by those that get its reference.
func TestNewNamespace(t *testing.T) {
	m := start(t, Options{})
	ns, err := NewNamespace(background, m)
	if err != nil {
		t.Fatal(err)
	}
	other, err := NewNamespace(background, m)
	if err != nil {
		t.Fatal(err)
	}
	if err := ns.Set(background, "x", "own"); err != nil {
		t.Error(err)
	}
	if v, ok, err := ns.Get(background, "x"); v != "own" || !ok || err != nil {
		t.Errorf("%v, %v, error %v", v, ok, err)
	}
	if _, ok, err := other.Get(background, "x"); ok || err != nil {
		t.Errorf("another namespace has it, too: error %v", err)
	}
	ns.Close()
	objects(t, m, 1)
	other.Close() // until then it is reachable
}

func TestNamespace(t *testing.T) {
	m := start(t, Options{})
	ns, err := NamedNamespace(background, m, "global")
	if err != nil {
		t.Fatal(err)
	}
	for k, v := range map[string]any{"x": int64(10), "y": "hello", "z": []any{true, 1.5}} {
		if err := ns.Set(background, k, v); err != nil {
			t.Fatal(err)
		}
	}
	same, err := NamedNamespace(background, m, "global")
	if err != nil {
		t.Fatal(err)
	}
	if v, ok, err := same.Get(background, "y"); v != "hello" || !ok || err != nil {
		t.Errorf("%v, %v, error %v", v, ok, err)
	}
}

// deposit uses the objects of a manager by their names.
var deposit = pool.Define("manager_test.deposit", func(ctx context.Context, address string) (struct{}, error) {
	m, err := Dial(ctx, address, Options{})
	if err != nil {
		return struct{}{}, err
	}
	defer m.Close()
	q, noQueue := numbers.Named(ctx, m, "q", 8)
	v, noValue := balances.Named(ctx, m, "v", 0)
	e, noEvent := Events.Named(ctx, m, "e", struct{}{})
	if err := errors.Join(noQueue, noValue, noEvent); err != nil {
		return struct{}{}, err
	}
	if err := e.Wait(ctx); err != nil {
		return struct{}{}, err
	}
	if err := v.Update(ctx, func(n *int64) error { *n += 100; return nil }); err != nil {
		return struct{}{}, err
	}
	return struct{}{}, q.Put(ctx, 7)
})

// What lies in shared memory is handed out by handle.
func TestSharedObjects(t *testing.T) {
	m := start(t, Options{})
	p, err := process.Start(background, deposit, m.Address(), process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	q, noQueue := numbers.Named(background, m, "q", 8)
	v, noValue := balances.Named(background, m, "v", 42)
	e, noEvent := Events.Named(background, m, "e", struct{}{})
	l, noMutex := Mutexes.Named(background, m, "l", struct{}{})
	s, noSemaphore := Semaphores.Named(background, m, "s", 2)
	b, noBarrier := Barriers.Named(background, m, "b", 1)
	r, noRecursive := RecursiveMutexes.Named(background, m, "r", struct{}{})
	if err := errors.Join(noQueue, noValue, noEvent, noMutex, noSemaphore, noBarrier, noRecursive); err != nil {
		t.Fatal(err)
	}
	var holder shmsync.Holder
	before, err := v.Load()
	if err != nil {
		t.Fatal(err)
	}
	e.Set()
	if n, err := q.Get(background); n != 7 || err != nil {
		t.Errorf("%d, error %v", n, err)
	}
	if n, err := v.Load(); n != before+100 || err != nil {
		t.Errorf("%d after %d, error %v", n, before, err)
	}
	if err := errors.Join(l.Lock(background), s.Acquire(background, 1), r.Lock(background, &holder)); err != nil {
		t.Fatal(err)
	}
	l.Unlock()
	r.Unlock(&holder)
	s.Release(1)
	if _, err := b.Wait(background); err != nil {
		t.Error(err)
	}
	if err := p.Join(background); err != nil {
		t.Error(err)
	}
}
