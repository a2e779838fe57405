package main

import (
	"strings"
	"testing"

	"github.com/shmkit/shmkit/examples/internal/lengthtest"
	"github.com/shmkit/shmkit/internal/proctest"
)

// program is the example as a user starts it.
var program = proctest.Register("program", func([]string) { main() })

func TestMain(m *testing.M) { proctest.Main(m) }

// run starts the program with a key.
func run(t *testing.T, key string, args ...string) *proctest.Child {
	t.Helper()
	c := proctest.Command(t, program, args...)
	c.Cmd.Env = append(c.Cmd.Env, "QUEUE_KEY="+key)
	c.Start()
	return c
}

// What one process puts another one gets, and a third without the key gets nothing.
func TestRemote(t *testing.T) {
	server := run(t, "abracadabra", "serve", "tcp://127.0.0.1:0")
	address := server.Line()
	get := run(t, "abracadabra", "get", address)
	if got := run(t, "abracadabra", "put", address, "hello ü").Output(); got != "<nil> <nil>\n" {
		t.Errorf("put says %q", got)
	}
	if got := get.Output(); got != "hello ü <nil>\n" {
		t.Errorf("get says %q", got)
	}
	wrong := run(t, "open sesame", "get", address)
	if state := wrong.Wait(); state.Success() || !strings.Contains(wrong.Stderr(), "wrong key") {
		t.Errorf("the wrong key: %v, %s", state, wrong.Stderr())
	}
	server.Kill()
}

func TestLength(t *testing.T) { lengthtest.AtMostTwice(t) }
