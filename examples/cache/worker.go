package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/shmkit/shmkit/shm"
)

// workerEnv is set in a worker. Its listener is descriptor 3, its segment 4.
const workerEnv = "SHMKIT_EXAMPLE_CACHE"

const (
	pages = 50
	limit = 20 // requests of a client in a second
)

// A site is what all processes share.
type site struct {
	seg      *shm.Segment
	versions *shm.RawArray[int64] // of what each page is made of
	cache    *shm.Dict[int64, string]
	requests *shm.Dict[string, int64] // of each client in each second
	rendered *shm.Counter
	served   *shm.Counter
}

func openSite(seg *shm.Segment) (*site, error) {
	s := &site{seg: seg}
	var errs [5]error
	s.versions, errs[0] = shm.NewRawArray[int64](seg, "versions", pages)
	s.cache, errs[1] = shm.NewDict[int64, string](seg, "pages", shm.DictOptions{MaxBytes: 1 << 20, TTL: time.Minute})
	s.requests, errs[2] = shm.NewDict[string, int64](seg, "requests", shm.DictOptions{MaxBytes: 1 << 20, TTL: 10 * time.Second})
	s.rendered, errs[3] = shm.NewCounter(seg, "rendered")
	s.served, errs[4] = shm.NewCounter(seg, "served")
	return s, errors.Join(errs[:]...)
}

// work serves pages until the program that has started the worker ends.
func work() error {
	listener, err := net.FileListener(os.NewFile(3, "listener"))
	if err != nil {
		return err
	}
	seg, err := shm.FromFile(os.NewFile(4, "segment"))
	if err != nil {
		return err
	}
	s, err := openSite(seg)
	if err != nil {
		return err
	}
	go func() {
		io.Copy(io.Discard, os.Stdin) // ends with the program at the other end
		os.Exit(0)
	}()
	mux := http.NewServeMux()
	mux.HandleFunc("/page/{n}", s.page)
	mux.HandleFunc("/limited", s.limited)
	return http.Serve(listener, mux)
}

// page answers with the version of the page. Of all workers one renders a page that is not cached.
func (s *site) page(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.ParseInt(r.PathValue("n"), 10, 64)
	if err != nil || n < 0 || n >= pages {
		http.NotFound(w, r)
		return
	}
	text, err := s.cache.Do(r.Context(), n, func(context.Context) (string, error) {
		s.rendered.Add(1)
		return s.render(n), nil
	})
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	s.served.Add(1)
	io.WriteString(w, text)
}

// render makes a page, which takes a while.
func (s *site) render(n int64) string {
	version := s.versions.At(int(n))
	time.Sleep(2 * time.Millisecond) // what makes a page takes so long
	return strconv.FormatInt(version, 10)
}

// limited answers with the second that it counts the request in, as long as the client has made no
// more than so many in it.
func (s *site) limited(w http.ResponseWriter, r *http.Request) {
	second := time.Now().Unix()
	n, err := shm.Add(r.Context(), s.requests, fmt.Sprint(r.URL.Query().Get("client"), " ", second), 1)
	switch {
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	case n > limit:
		http.Error(w, "too many requests", http.StatusTooManyRequests)
	default:
		fmt.Fprint(w, second)
	}
}
