package queue

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// A castEvent is one operation on a broadcast, in shared memory, so that it survives the process
// that did it. Of a reader the first is its subscription, and the others are the messages it got.
type castEvent struct {
	Call, Return uint64 // times of the common clock; 0: has not happened
	Value        int64
}

const (
	castPuts   = 60           // of each writer of a history
	castEvents = 4 * castPuts // what each process has room for
)

// A castHistory is what the processes of a history share.
type castHistory struct {
	castAPI
	seg    *shm.Segment
	events *shm.RawArray[castEvent]
	clock  *shm.Uint64
}

func openCastHistory(seg *shm.Segment, kind string) (h castHistory, err error) {
	h.seg = seg
	if h.castAPI, err = castFaces[kind](seg, false, Options{}); err != nil {
		return h, err
	}
	if h.clock, err = shm.NewUint64(seg, "clock", 0); err != nil {
		return h, err
	}
	h.events, err = shm.NewRawArray[castEvent](seg, "events", 8*castEvents)
	return h, err
}

// of is the events of a process.
func (h castHistory) of(process int) []castEvent {
	return h.events.Slice()[process*castEvents:][:castEvents]
}

// castFaces are all kinds of broadcasts.
var castFaces = map[string]func(seg *shm.Segment, make bool, o Options) (castAPI, error){
	"fixed":   castKinds["fixed"],
	"bytes":   castKinds["bytes"],
	"objects": castObjects,
}

// castObjects is a broadcast of objects that are numbers; it has no look in place.
func castObjects(seg *shm.Segment, make bool, o Options) (castAPI, error) {
	b, err := OpenBroadcastObjects[int64](seg, "b", o)
	if make {
		b, err = NewBroadcastObjects[int64](seg, "b", 256, o)
	}
	if err != nil {
		return castAPI{}, err
	}
	return castAPI{b.Put, func(from Start) (castReader, error) {
		r, err := b.Subscribe(from)
		if err != nil {
			return castReader{}, err
		}
		return castReader{get: r.Get, close: r.Close}, nil
	}, b.AwaitReaders, b.Close, b.Reopen, b.Stats}, nil
}

// roleCastHistory is process args[2] of the history on the broadcast of kind args[1] in the segment
// args[0]. It puts, or reads, from where args[3] says.
var roleCastHistory = proctest.Register("cast-history", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	h, err := openCastHistory(seg, args[1])
	proctest.ExitOn(err)
	process, err := strconv.Atoi(args[2])
	proctest.ExitOn(err)
	proctest.Say("ready")
	proctest.Hear()
	if args[3] == "put" {
		h.puts(process)
		proctest.ExitOn(seg.Close()) // another process can be the writer
	} else {
		h.reads(process, map[string]Start{"newest": FromNewest, "oldest": FromOldest}[args[3]])
	}
	proctest.Say("done")
	proctest.Hear()
})

// castValue is what process i puts as its n-th message, from 0.
func castValue(process, n int) int64 { return int64(process*castEvents + n + 1) }

// puts puts all messages of a process. While another one is the only writer it tries again.
func (h castHistory) puts(process int) {
	mine := h.of(process)[:castPuts]
	for i := range mine {
		e := &mine[i]
		e.Value = castValue(process, i)
		for {
			e.Call = h.clock.Add(1)
			err := h.put(background, e.Value)
			if err == nil {
				break
			}
			if !errors.Is(err, ErrRoleTaken) {
				proctest.ExitOn(err)
			}
			runtime.Gosched()
		}
		e.Return = h.clock.Add(1)
	}
}

// reads notes all messages that a reader gets, until the broadcast is closed. It copies one, and
// looks at the next one in place.
func (h castHistory) reads(process int, from Start) {
	mine := h.of(process)
	mine[0].Call = h.clock.Add(1)
	r, err := h.subscribe(from)
	proctest.ExitOn(err)
	mine[0].Return = h.clock.Add(1)
	for i := 1; ; i++ {
		v, err := readEither(r, i)
		if errors.Is(err, ErrClosed) {
			break
		}
		proctest.ExitOn(err)
		mine[i].Value = v
		mine[i].Return = h.clock.Add(1) // last: this process may be killed before
	}
	proctest.ExitOn(r.close())
}

// readEither copies a message, or looks at it.
func readEither(r castReader, n int) (v int64, err error) {
	if n%2 == 0 || r.peek == nil {
		return r.get(background)
	}
	v, release, err := r.peek(background)
	if err == nil {
		err = release()
	}
	return v, err
}

// A history of several processes is one of a broadcast, also when some of them are killed: there is
// one order of all messages, of which each reader gets a run, from its subscription on.
func TestBroadcastHistories(t *testing.T) {
	rounds := 2
	if long {
		rounds = 100
	}
	for kind := range castFaces {
		eachWriters(t, func(t *testing.T, o Options) {
			for _, kills := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s/kills=%t", kind, kills), func(t *testing.T) {
					if kills && !long {
						t.Skip("skipped without SHMKIT_LONG=1: a death in the middle of a wake-up holds the others up until the backstop, an hour here")
					}
					for round := range rounds {
						playCast(t, kind, o, kills, round)
					}
				})
			}
		})
	}
}

// The processes of a history: the readers come after the writers, and half of them begin with the
// oldest message.
const (
	castWriters   = 2
	castReaders   = 3
	castProcesses = castWriters + castReaders
)

// playCast plays a history, and checks it. With kills, the first writer and the first reader are
// killed on the way.
func playCast(t *testing.T, kind string, o Options, kills bool, round int) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	defer seg.Close()
	o.Keep = 1
	_, err = castFaces[kind](seg, true, o.startingAt(^uint64(0)-1023))
	wantErr(t, err, nil)
	h, err := openCastHistory(seg, kind)
	wantErr(t, err, nil)
	r, err := h.subscribe(FromNewest)
	wantErr(t, err, nil)
	log := make(chan []int64)
	go func() { log <- readAll(t, r) }()
	var children [castProcesses]*proctest.Child
	for i := range children {
		does := "put"
		if i >= castWriters {
			does = []string{"newest", "oldest"}[i%2]
		}
		children[i] = proctest.Start(t, roleCastHistory, path, kind, strconv.Itoa(i), does)
		children[i].Expect("ready")
	}
	for _, c := range children {
		c.Send("go")
	}
	killed := map[int]bool{0: kills, castWriters: kills}
	if kills {
		at := uint64(20 + 17*round%100)
		proctest.Eventually(t, proctest.Hang, func() bool { return h.clock.Load() >= at }, "the history begins")
		for i := range children {
			if killed[i] {
				children[i].Signal(syscall.SIGKILL)
			}
		}
	}
	for i, c := range children {
		if i == castWriters {
			wantErr(t, h.close(), nil) // the writers are done
		}
		if killed[i] {
			c.Wait()
			continue
		}
		c.Expect("done")
		c.Send("end")
		c.WaitOK()
	}
	order := proctest.Ends(t, log, "the first reader gets all messages")
	wantErr(t, r.close(), nil)
	if err := h.check(order, killed); err != nil {
		t.Fatalf("round %d: %v; the order is %v", round, err, order)
	}
}

// readAll gets messages until the broadcast is closed.
func readAll(t *testing.T, r castReader) (all []int64) {
	for i := 0; ; i++ {
		v, err := readEither(r, i)
		if errors.Is(err, ErrClosed) {
			return all
		}
		if err != nil {
			t.Error(err)
			return all
		}
		all = append(all, v)
	}
}

// check says what is wrong with a history. Order is what a reader has got that was subscribed
// before the first message, until the last.
func (h castHistory) check(order []int64, killed map[int]bool) error {
	at := make(map[int64]int) // where each message is
	for i, v := range order {
		if _, twice := at[v]; twice {
			return fmt.Errorf("message %d comes twice", v)
		}
		at[v] = i
	}
	puts := make(map[int64]castEvent)
	for i := range castWriters {
		for _, e := range h.of(i)[:castPuts] {
			if e.Call > 0 {
				puts[e.Value] = e
			}
			if _, came := at[e.Value]; e.Return > 0 && !came {
				return fmt.Errorf("message %d was put, and did not come", e.Value)
			}
		}
		if n := castPuts - 1; !killed[i] && h.of(i)[n].Return == 0 {
			return fmt.Errorf("writer %d has not put all", i)
		}
	}
	latest := uint64(0) // the latest call of the messages so far
	for _, v := range order {
		e, ok := puts[v]
		if !ok {
			return fmt.Errorf("message %d was never put", v)
		}
		if e.Return > 0 && e.Return < latest {
			return fmt.Errorf("message %d was put before the call of one that comes before it", v)
		}
		latest = max(latest, e.Call)
	}
	for i := castWriters; i < castProcesses; i++ {
		if err := checkRun(h.of(i), order, at, puts, killed[i]); err != nil {
			return fmt.Errorf("reader %d: %w", i, err)
		}
	}
	return nil
}

// checkRun says what is wrong with what one reader has got: it must be a run of the order, without
// a message whose put ended before the reader subscribed, unless it is kept, and with each whose
// put began after that.
func checkRun(mine []castEvent, order []int64, at map[int64]int, puts map[int64]castEvent, killed bool) error {
	if mine[0].Return == 0 {
		if killed {
			return nil
		}
		return errors.New("it has not subscribed")
	}
	first, n := len(order), 0
	for i, e := range mine[1:] {
		if e.Return == 0 {
			break
		}
		place, ok := at[e.Value]
		switch {
		case !ok:
			return fmt.Errorf("message %d is not one of the others", e.Value)
		case i == 0:
			first = place
		case place != first+i:
			return fmt.Errorf("message %d comes after %d", e.Value, mine[i].Value)
		}
		if puts[e.Value].Call > e.Return {
			return fmt.Errorf("message %d came before it was put", e.Value)
		}
		n++
	}
	if !killed && first+n != len(order) {
		return fmt.Errorf("it got %d messages from number %d on, and there are %d", n, first, len(order))
	}
	if killed && n == 0 {
		return nil
	}
	for _, v := range order[:first] {
		if puts[v].Call > mine[0].Return {
			return fmt.Errorf("message %d was put after it had subscribed, and did not come", v)
		}
	}
	return nil
}

// The check of histories refuses what must not happen.
func TestBroadcastHistoryIsRefused(t *testing.T) {
	seg := newSegment(t, shm.Options{})
	_, err := castFaces["fixed"](seg, true, Options{})
	wantErr(t, err, nil)
	for what, spoil := range map[string]func(h castHistory, order []int64) []int64{
		"a lost message":            func(_ castHistory, order []int64) []int64 { return order[:len(order)-1] },
		"one that comes twice":      func(_ castHistory, order []int64) []int64 { return append(order, order[3]) },
		"one that was never put":    func(_ castHistory, order []int64) []int64 { return append(order, 9999) },
		"an order that no put made": func(_ castHistory, order []int64) []int64 { order[0], order[9] = order[9], order[0]; return order },
		"a gap in a run": func(h castHistory, order []int64) []int64 {
			copy(h.of(castWriters)[5:], h.of(castWriters)[6:])
			return order
		},
		"a run that ends early": func(h castHistory, order []int64) []int64 {
			h.of(castWriters)[len(order)].Return = 0
			return order
		},
		"a run that begins late": func(h castHistory, order []int64) []int64 {
			copy(h.of(castWriters)[1:], h.of(castWriters)[2:])
			return order
		},
		"a message before its put": func(h castHistory, order []int64) []int64 {
			h.of(castWriters)[2].Return = 1
			return order
		},
	} {
		h, err := openCastHistory(seg, "fixed")
		wantErr(t, err, nil)
		clear(h.events.Slice())
		order := h.perfect()
		if err := h.check(order, nil); err != nil {
			t.Fatalf("a right history is refused: %v", err)
		}
		if err := h.check(spoil(h, order), nil); err == nil {
			t.Errorf("%s is not refused", what)
		}
	}
}

// perfect notes a history in which all readers subscribe first, and then get each message at once.
func (h castHistory) perfect() (order []int64) {
	now := uint64(1)
	for i := castWriters; i < castProcesses; i++ {
		h.of(i)[0] = castEvent{Call: now, Return: now + 1}
		now += 2
	}
	for n := range castPuts {
		for w := range castWriters {
			v := castValue(w, n)
			h.of(w)[n] = castEvent{Value: v, Call: now, Return: now + 1}
			order = append(order, v)
			for i := castWriters; i < castProcesses; i++ {
				h.of(i)[len(order)] = castEvent{Value: v, Return: now + 2}
			}
			now += 3
		}
	}
	return order
}
