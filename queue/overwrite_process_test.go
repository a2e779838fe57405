package queue

import (
	"errors"
	"fmt"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleListen reads the Broadcast of the segment args[0] until it is closed; each message must be
// whole and later than the one before.
var roleListen = proctest.Register("listen", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := OpenBroadcast[line](seg, "b", Options{})
	proctest.ExitOn(err)
	r := b.mustSubscribe(FromOldest)
	proctest.Say("ready")
	next, got, lost := uint64(0), uint64(0), uint64(0)
	for v, err := range r.All(background) {
		if lapped := new(LappedError); errors.As(err, &lapped) {
			lost += lapped.Lost
			next += lapped.Lost
			continue
		}
		proctest.ExitOn(err)
		for _, word := range v {
			if word != next {
				proctest.ExitOn(errors.New("message " + strconv.FormatUint(next, 10) + " is torn or out of order"))
			}
		}
		next++
		got++
	}
	proctest.Say("%d %d", got, lost)
})

// Three processes read what one writes as fast as it can; what each has read and lost is all there
// was.
func TestOverwritingAcrossProcesses(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	b, err := NewBroadcast[line](seg, "b", 256, overwriting)
	wantErr(t, err, nil)
	var children []*proctest.Child
	for range 3 {
		c := proctest.Start(t, roleListen, path)
		c.Expect("ready")
		children = append(children, c)
	}
	const n = 200_000
	for i := range uint64(n) {
		wantErr(t, b.Put(background, line{i, i, i, i, i, i, i, i}), nil)
	}
	wantErr(t, b.Close(), nil)
	for _, c := range children {
		c.WaitOK()
		var got, lost uint64
		sscan(t, c.Line(), &got, &lost)
		t.Logf("read %d, lost %d", got, lost)
		if got+lost != n {
			t.Errorf("read %d and lost %d of %d", got, lost, n)
		}
	}
}

// roleSpeak puts 0, 1, 2, … into the Broadcast of the segment args[0] until it is killed.
var roleSpeak = proctest.Register("speak", func(args []string) {
	seg, err := shm.Open(args[0])
	proctest.ExitOn(err)
	b, err := OpenBroadcast[line](seg, "b", Options{})
	proctest.ExitOn(err)
	res, err := b.Reserve(background) // takes the role, and what the last writer completed
	proctest.ExitOn(err)
	proctest.ExitOn(res.Abort())
	for i := b.Stats().Put; ; i++ {
		proctest.ExitOn(b.Put(background, line{i, i, i, i, i, i, i, i}))
		if i == 0 {
			proctest.Say("ready")
		}
	}
})

// A56, A57: a writer that is stopped keeps its role, one that is killed loses it to the next;
// readers see nothing torn, and nothing twice.
func TestOverwritingWriterDies(t *testing.T) {
	path := proctest.Dir(t) + "/segment"
	seg, err := shm.Create(path, shm.Options{})
	wantErr(t, err, nil)
	t.Cleanup(func() { seg.Close() })
	b, err := NewBroadcast[line](seg, "b", 64, overwriting)
	wantErr(t, err, nil)
	listener := proctest.Start(t, roleListen, path)
	listener.Expect("ready")
	speaker := proctest.Start(t, roleSpeak, path)
	speaker.Expect("ready")
	for range 20 {
		proctest.Stagger(2 * time.Millisecond)
		speaker.Signal(syscall.SIGSTOP)
		speaker.WaitStopped()
		wantErr(t, b.Put(background, line{}), ErrRoleTaken)
		speaker.Signal(syscall.SIGCONT)
		proctest.Stagger(2 * time.Millisecond)
		speaker.Kill()
		speaker = proctest.Start(t, roleSpeak, path)
		before := b.Stats().Put
		proctest.Eventually(t, proctest.Hang, func() bool { return b.Stats().Put > before }, "nobody takes the role over")
	}
	speaker.Kill()
	wantErr(t, b.Close(), nil)
	listener.WaitOK()
	var got, lost uint64
	sscan(t, listener.Line(), &got, &lost)
	put := b.Stats().Put
	t.Logf("put %d, read %d, lost %d, abandoned %d", put, got, lost, b.Stats().Abandoned)
	// the last writer may have died between completing a message and publishing it
	if got+lost != put && got+lost != put+1 {
		t.Errorf("read %d and lost %d of %d", got, lost, put)
	}
}

func sscan(t testing.TB, line string, into ...any) {
	t.Helper()
	if _, err := fmt.Sscan(line, into...); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
}
