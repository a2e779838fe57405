package pipe

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/rpc"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
)

// roleHTTP serves HTTP at args[0].
var roleHTTP = proctest.Register("http", func(args []string) {
	l, err := Listen(args[0], ListenOptions{})
	proctest.ExitOn(err)
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		// the answer begins before the request ends
		http.NewResponseController(w).EnableFullDuplex()
		io.Copy(w, r.Body)
	})
	mux.HandleFunc("/hang", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/doom", func(w http.ResponseWriter, r *http.Request) { proctest.Say("hangs"); <-r.Context().Done() })
	server := &http.Server{Handler: mux}
	go func() {
		proctest.Hear()
		server.Shutdown(context.Background())
	}()
	proctest.Say("listening")
	if err := server.Serve(l); err != http.ErrServerClosed {
		proctest.ExitOn(err)
	}
})

// httpClient is a client with connections that lead to the listener at path, whatever host a URL
// is.
func httpClient(path string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) { return Dial(ctx, path, DialOptions{}) },
	}}
}

// The package net/http does not notice that there is no network.
func TestHTTPBetweenProcesses(t *testing.T) {
	path := proctest.Dir(t) + "/http"
	child := proctest.Start(t, roleHTTP, path)
	child.Expect("listening")
	client := httpClient(path)
	defer client.CloseIdleConnections()
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 10 {
				text := strings.Repeat(fmt.Sprintln(i, j), 1+j*2000)
				r, err := client.Post("http://shm/echo", "text/plain", strings.NewReader(text))
				if err != nil {
					t.Error(err)
					return
				}
				got, err := io.ReadAll(r.Body)
				r.Body.Close()
				if err != nil || string(got) != text {
					t.Errorf("%d bytes back of %d, %v", len(got), len(text), err)
				}
			}
		})
	}
	all.Wait()
	//clock: that the time-out ends the wait is the subject
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, "GET", "http://shm/hang", nil)
	wantErr(t, err, nil)
	_, err = client.Do(r)
	wantErr(t, err, context.DeadlineExceeded)
	client.CloseIdleConnections()
	child.Send("shut down")
	child.WaitOK()
}

// The server of a request that is under way is killed.
func TestHTTPServerKilled(t *testing.T) {
	path := proctest.Dir(t) + "/http"
	child := proctest.Start(t, roleHTTP, path)
	child.Expect("listening")
	client := httpClient(path)
	defer client.CloseIdleConnections()
	answer := make(chan error, 1)
	go func() { _, err := client.Get("http://shm/doom"); answer <- err }()
	child.Expect("hangs")
	child.Kill()
	if err := proctest.Ends(t, answer, "the request ends"); err == nil {
		t.Error("a dead server has answered")
	}
}

// Sums is a service of the package net/rpc.
type Sums struct{}

// Add sets sum to the sum of all numbers.
func (Sums) Add(numbers []int, sum *int) error {
	if len(numbers) == 0 {
		return errors.New("nothing to add")
	}
	for _, n := range numbers {
		*sum += n
	}
	return nil
}

// roleRPC serves Sums at args[0].
var roleRPC = proctest.Register("rpc", func(args []string) {
	l, err := Listen(args[0], ListenOptions{})
	proctest.ExitOn(err)
	proctest.ExitOn(rpc.Register(Sums{}))
	proctest.Say("listening")
	go rpc.Accept(l)
	proctest.Hear()
	l.Close()
})

// The package net/rpc does not notice either.
func TestRPCBetweenProcesses(t *testing.T) {
	path := proctest.Dir(t) + "/rpc"
	child := proctest.Start(t, roleRPC, path)
	child.Expect("listening")
	c, err := Dial(background, path, DialOptions{})
	wantErr(t, err, nil)
	client := rpc.NewClient(c)
	var all sync.WaitGroup
	for i := range 10 {
		all.Go(func() {
			for j := range 20 {
				var sum int
				if err := client.Call("Sums.Add", []int{i, j}, &sum); err != nil || sum != i+j {
					t.Errorf("%d + %d = %d, %v", i, j, sum, err)
				}
			}
		})
	}
	all.Wait()
	var sum int
	if err := client.Call("Sums.Add", []int{}, &sum); err == nil || err.Error() != "nothing to add" {
		t.Error(err)
	}
	wantErr(t, client.Close(), nil)
	child.Send("stop")
	child.WaitOK()
}
