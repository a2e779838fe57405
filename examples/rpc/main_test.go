package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/pool"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// role, in the environment, makes the test binary another program: the example itself, or the
// server of its benchmarks.
const (
	role   = "RPC_ROLE"
	asRPC  = "program"
	asPeer = "peer"
)

func TestMain(m *testing.M) {
	pool.Main()
	switch os.Getenv(role) {
	case asRPC:
		main()
	case asPeer:
		if err := servePeer(os.Args[1], os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	default:
		os.Exit(m.Run())
	}
}

func program(t testing.TB, as string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", args...)
	cmd.Env = append(os.Environ(), role+"="+as)
	cmd.Stderr = os.Stderr
	return cmd
}

// startServer starts the server in a process of its own, and returns its name.
func startServer(t *testing.T) (name string, server *exec.Cmd, stop func()) {
	t.Helper()
	name = t.TempDir() + "/words"
	server, stop = startProgram(t, asRPC, "serve", name)
	return name, server, stop
}

// startProgram starts a server, which ends with stop.
func startProgram(t testing.TB, as string, args ...string) (server *exec.Cmd, stop func()) {
	t.Helper()
	server = program(t, as, args...)
	in, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := server.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "serving\n" {
		t.Fatalf("the server says %q, %v", line, err)
	}
	return server, func() { in.Close() }
}

// Server and client are processes of their own.
func TestTwoProcesses(t *testing.T) {
	name, server, stop := startServer(t)
	out, err := program(t, asRPC, "ask", name, "one two", "three").Output()
	if want := "HTTP: 3 words\ngRPC: 3 words: \"one\" \"two\" \"three\"\n"; err != nil || string(out) != want {
		t.Errorf("%v: %q", err, out)
	}
	stop()
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(name[:strings.LastIndexByte(name, '/')]); len(left) > 0 {
		t.Errorf("%v are left", left)
	}
}

// Many calls at once.
func TestManyCalls(t *testing.T) {
	name, server, stop := startServer(t)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 5 {
				n := i*200 + j*1000
				text := strings.Repeat("word ", n)
				if got, err := countByHTTP(t.Context(), httpName(name), text); err != nil || got != n {
					t.Errorf("HTTP: %d words of %d, %v", got, n, err)
				}
				if got, err := countByGRPC(t.Context(), grpcName(name), text); err != nil || got != n {
					t.Errorf("gRPC: %d words of %d, %v", got, n, err)
				}
				got := 0
				if err := splitByGRPC(t.Context(), grpcName(name), text, func(string) { got++ }); err != nil || got != n {
					t.Errorf("gRPC: %d words of %d, %v", got, n, err)
				}
			}
		})
	}
	all.Wait()
	stop()
	if err := server.Wait(); err != nil {
		t.Error(err)
	}
}

// A server that is killed ends the calls that are under way.
func TestServerKilled(t *testing.T) {
	name, server, _ := startServer(t)
	once := sync.OnceFunc(func() { server.Process.Kill() })
	err := splitByGRPC(t.Context(), grpcName(name), strings.Repeat("word ", 500_000), func(string) { once() })
	if status.Code(err) != codes.Unavailable {
		t.Errorf("the stream of a dead server ends with %v", err)
	}
	server.Wait()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	if _, err := countByHTTP(ctx, httpName(name), "x"); err == nil || !strings.Contains(err.Error(), syscall.ECONNREFUSED.Error()) {
		t.Errorf("a dead server gives %v", err)
	}
}

func TestUsage(t *testing.T) {
	for _, args := range [][]string{nil, {"serve"}, {"ask", "x"}, {"what", "x", "y"}} {
		if err := run(t.Context(), args, strings.NewReader(""), io.Discard); err == nil {
			t.Errorf("%q is accepted", args)
		}
	}
	var out bytes.Buffer
	if err := run(t.Context(), []string{"ask", t.TempDir() + "/nobody", "x"}, nil, &out); err == nil || out.Len() > 0 {
		t.Error(fmt.Sprint("nobody answers: ", out.String()))
	}
}
