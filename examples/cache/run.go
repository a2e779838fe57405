package main

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/shmkit/shmkit/shm"
)

const (
	workers = 4
	clients = 6
)

// A report is what a run has shown.
type report struct {
	Answers, Interrupted, Killed, Changes int64
	Stale                                 int64 // answers that were older than they may be
	OverLimit                             int64 // requests beyond the limit that were answered
	HitRatio                              float64
}

func (r report) String() string {
	return fmt.Sprintf("%d answers, %d interrupted by %d kills, %d changes; hit ratio %.3f; %d stale, %d over the limit",
		r.Answers, r.Interrupted, r.Killed, r.Changes, r.HitRatio, r.Stale, r.OverLimit)
}

// A trial is a run that is under way.
type trial struct {
	report
	*site
	url      string
	listener *os.File
	complete [pages]atomic.Int64 // the version of each page after the last change that is complete
	seconds  sync.Map            // answers of the limited client in each second: *atomic.Int64
}

func run(duration time.Duration) (report, error) {
	seg, err := shm.Anonymous(shm.Options{Size: 16 << 20})
	if err != nil {
		return report{}, err
	}
	defer seg.Close()
	s, err := openSite(seg)
	if err != nil {
		return report{}, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return report{}, err
	}
	defer listener.Close()
	t := &trial{site: s, url: "http://" + listener.Addr().String()}
	if t.listener, err = listener.(*net.TCPListener).File(); err != nil {
		return report{}, err
	}
	defer t.listener.Close()
	ctx, cancel := context.WithTimeout(context.Background(), duration)
	defer cancel()
	var all sync.WaitGroup
	failed := make(chan error, workers)
	for range workers {
		all.Go(func() { failed <- t.keepWorker(ctx) })
	}
	for range clients {
		all.Go(func() { t.ask(ctx) })
	}
	all.Go(func() { t.askLimited(ctx) })
	all.Go(func() { t.change(ctx) })
	all.Wait()
	for range workers {
		if err := <-failed; err != nil {
			return report{}, err
		}
	}
	t.judge()
	return t.report, nil
}

// keepWorker starts a worker again whenever it has been killed, which happens after a random time.
func (t *trial) keepWorker(ctx context.Context) error {
	for ctx.Err() == nil {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), workerEnv+"=1")
		cmd.ExtraFiles = []*os.File{t.listener, t.seg.File()}
		cmd.Stderr = os.Stderr
		life, err := cmd.StdinPipe()
		if err != nil {
			return err
		}
		if err := cmd.Start(); err != nil {
			return err
		}
		pause(ctx, 100*time.Millisecond+rand.N(500*time.Millisecond))
		cmd.Process.Kill()
		cmd.Wait()
		life.Close()
		atomic.AddInt64(&t.Killed, 1)
	}
	return nil
}

// pause lets time pass, until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}

// ask asks for pages, and checks that the answers are no older than they may be.
func (t *trial) ask(ctx context.Context) {
	for ctx.Err() == nil {
		n := rand.IntN(pages)
		least := t.complete[n].Load()
		text, ok := t.get(ctx, fmt.Sprint("/page/", n))
		if !ok {
			continue
		}
		if version, err := strconv.ParseInt(text, 10, 64); err != nil || version < least {
			atomic.AddInt64(&t.Stale, 1)
		}
	}
}

// get returns an answer, and reports whether there was one: workers are killed.
func (t *trial) get(ctx context.Context, path string) (text string, ok bool) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url+path, nil)
	if err != nil {
		return "", false
	}
	answer, err := http.DefaultClient.Do(request)
	if err == nil {
		defer answer.Body.Close()
		var body []byte
		if body, err = io.ReadAll(answer.Body); err == nil && answer.StatusCode == http.StatusOK {
			atomic.AddInt64(&t.Answers, 1)
			return string(body), true
		}
	}
	if err != nil && ctx.Err() == nil {
		atomic.AddInt64(&t.Interrupted, 1)
	}
	return "", false
}

// change changes what pages are made of. After the Delete no page may show what was there before.
func (t *trial) change(ctx context.Context) {
	for version := int64(1); ctx.Err() == nil; version++ {
		n := rand.IntN(pages)
		t.versions.Set(n, version)
		if _, err := t.cache.Delete(ctx, int64(n)); err != nil {
			return // the end of ctx
		}
		t.complete[n].Store(version)
		t.Changes++
		pause(ctx, 5*time.Millisecond)
	}
}

// askLimited asks more often than it may.
func (t *trial) askLimited(ctx context.Context) {
	for ctx.Err() == nil {
		if second, ok := t.get(ctx, "/limited?client=greedy"); ok {
			n, _ := t.seconds.LoadOrStore(second, new(atomic.Int64))
			n.(*atomic.Int64).Add(1)
		}
		pause(ctx, time.Millisecond)
	}
}

func (t *trial) judge() {
	t.seconds.Range(func(_, n any) bool {
		t.OverLimit += max(n.(*atomic.Int64).Load()-limit, 0)
		return true
	})
	if served := t.served.Sum(); served > 0 {
		t.HitRatio = 1 - float64(t.rendered.Sum())/float64(served)
	}
}
