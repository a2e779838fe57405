package manager

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/shm"
)

// roleClient dials args[0] with the key args[1], and does what args[2] says.
var roleClient = proctest.Register("client", func(args []string) {
	m, err := Dial(background, args[0], Options{Key: keyOf(args[1]), Insecure: true})
	if errors.Is(err, ErrKey) {
		proctest.Say("%v", err)
		return
	}
	proctest.ExitOn(err)
	switch args[2] {
	case "hold": // 1,000 references
		var refs []*Ref[*desk]
		for range 1000 {
			d, err := Desk.New(background, m, nil)
			proctest.ExitOn(err)
			refs = append(refs, d)
		}
		proctest.Say("holds")
		proctest.Hear()
		refs[0].Close()
	case "block":
		d, err := Desk.Named(background, m, "main", nil)
		proctest.ExitOn(err)
		go Block.Call(background, d, 1)
		hold(d)
	case "put":
		d, err := Desk.Named(background, m, "main", nil)
		proctest.ExitOn(err)
		_, err = Append.Call(background, d, args[3])
		proctest.ExitOn(err)
	}
})

// hold says when the desk has a note, and waits to be killed.
func hold(d *Ref[*desk]) {
	for {
		all, err := All.Call(background, d, struct{}{})
		proctest.ExitOn(err)
		if len(all) > 0 {
			break
		}
	}
	proctest.Say("blocks")
	proctest.Hear()
}

func keyOf(text string) []byte {
	if text == "" {
		return nil
	}
	return []byte(text)
}

// A client that is killed gives its references back.
func TestClientDiesWithReferences(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			m := start(t, o)
			child := proctest.Start(t, roleClient, m.Address(), string(o.Key), "hold")
			child.Expect("holds")
			objects(t, m, 1000)
			child.Kill()
			objects(t, m, 0)
		})
	}
}

// The calls of a client that is killed end, and so do their contexts.
func TestClientDiesWithCall(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			m := start(t, o)
			child := proctest.Start(t, roleClient, m.Address(), string(o.Key), "block")
			child.Expect("blocks")
			d, err := Desk.Named(background, m, "main", nil)
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			child.Kill()
			hasNote(t, d, "ended: ")
		})
	}
}

// A manager that is killed ends all calls that are under way, and each says that it may have run.
func TestManagerDies(t *testing.T) {
	for name, o := range addresses(t) {
		t.Run(name, func(t *testing.T) {
			lost := make(chan error, 1)
			o.OnLost = func(err error) { lost <- err }
			m := start(t, o)
			told := m.Lost()
			d := newDesk(t, m)
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			const calls = 1000
			var under sync.WaitGroup
			for i := range calls {
				under.Go(func() {
					under := background
					if i%2 == 0 {
						under = ctx
					}
					_, err := Block.Call(under, d, int64(i%2))
					var l *LostError
					if !errors.As(err, &l) || !strings.Contains(err.Error(), "may have run, or not") || l.Call != "desk.block" {
						t.Errorf("error %v", err)
					}
				})
			}
			proctest.Eventually(t, proctest.Hang, func() bool {
				list, err := m.Objects(background)
				return err == nil && list[0].References == calls+1
			}, "all calls run")
			if err := m.Kill(); err != nil {
				t.Fatal(err)
			}
			under.Wait()
			proctest.Ends(t, told, "Lost is closed")
			proctest.Ends(t, m.Process().Sentinel(), "the process ends")
			if err := proctest.Ends(t, lost, "OnLost is called"); err == nil {
				t.Error("no error of OnLost")
			}
			if _, err := Add.Call(background, d, 1); !errors.Is(err, ErrGone) {
				t.Errorf("a later call: error %v", err)
			}
			if _, err := Desk.New(background, m, nil); !errors.Is(err, syscall.ECONNREFUSED) && !isNotExist(err) {
				t.Errorf("a new object: error %v", err)
			}
		})
	}
}

func isNotExist(err error) bool { return errors.Is(err, os.ErrNotExist) }

// os.Exit in a method is the death of the manager.
func TestManagerExits(t *testing.T) {
	m := start(t, Options{})
	d := newDesk(t, m)
	_, err := Exit.Call(background, d, 0)
	var l *LostError
	if !errors.As(err, &l) {
		t.Errorf("error %v", err)
	}
	<-m.Process().Sentinel()
	if code, _ := m.Process().ExitCode(); code != 7 {
		t.Errorf("exit code %d", code)
	}
}

// A manager that is started again under the name at once is another one: named references find
// their object again, the others are gone.
func TestRestart(t *testing.T) {
	dir := proctest.Dir(t)
	for _, name := range []string{dir + "/manager", "unix://" + dir + "/socket"} {
		for _, kill := range []bool{true, false} {
			t.Run(fmt.Sprintf("%.4s/kill=%t", name, kill), func(t *testing.T) {
				first := start(t, Options{Name: name})
				client, err := Dial(background, name, Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer client.Close()
				plain := newDesk(t, client)
				named, err := Desk.Named(background, client, "main", []string{"argument"})
				if err != nil {
					t.Fatal(err)
				}
				defer named.Close()
				for range 500 { // the connection looks less often whether it has ended then
					if n, err := Add.Call(background, named, 1); err != nil || n != 2 {
						t.Fatal(n, err)
					}
				}
				if kill {
					first.Kill()
					<-first.Process().Sentinel()
				} else if err := first.Shutdown(background); err != nil {
					t.Fatal(err)
				}
				start(t, Options{Name: name})
				ctx, cancel := context.WithTimeout(background, time.Hour)
				defer cancel()
				if all, err := All.Call(ctx, named, struct{}{}); err != nil || len(all) != 1 || all[0] != "argument" {
					t.Errorf("%q, error %v", all, err)
				}
				if _, err := Add.Call(ctx, plain, 1); !errors.Is(err, ErrGone) {
					t.Errorf("error %v", err)
				}
			})
		}
	}
}

func TestDialToNone(t *testing.T) {
	dir := proctest.Dir(t)
	for _, address := range []string{dir + "/none", "tcp://127.0.0.1:1"} {
		_, err := Dial(background, address, Options{Insecure: true})
		if !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("%s: error %v", address, err)
		}
	}
	if _, err := Dial(background, "unix://"+dir+"/none", Options{}); !isNotExist(err) {
		t.Errorf("error %v", err)
	}
}

// A manager that is shut down ends with exit code 0 and leaves nothing under its name.
func TestShutdownEndsWithCodeZero(t *testing.T) {
	dir := proctest.Dir(t)
	for _, name := range []string{dir + "/manager", "unix://" + dir + "/socket"} {
		shutDown(t, start(t, Options{Name: name}))
		if left, err := os.ReadDir(dir); len(left) > 0 || err != nil {
			t.Errorf("%s leaves %v, error %v", name, left, err)
		}
	}
	m := start(t, Options{})
	shutDown(t, m)
	if _, err := shm.Open(m.Address()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a manager without a name leaves a segment: error %v", err)
	}
}

// shutDown shuts a manager down that has an object.
func shutDown(t *testing.T, m *Manager) {
	t.Helper()
	newDesk(t, m)
	if err := m.Shutdown(background); err != nil {
		t.Error(err)
	}
	if code, ended := m.Process().ExitCode(); code != 0 || !ended {
		t.Errorf("exit code %d, ended %v", code, ended)
	}
	if err := m.Close(); err != nil {
		t.Error(err)
	}
	if _, err := m.NumberOfObjects(background); !errors.Is(err, ErrClosed) {
		t.Errorf("error %v", err)
	}
}

// The interrupt of a terminal does not end a manager: its users come first.
func TestInterruptDoesNotEndIt(t *testing.T) {
	m := start(t, Options{})
	d := newDesk(t, m)
	syscall.Kill(m.Process().PID(), syscall.SIGINT)
	if n, err := Add.Call(background, d, 1); err != nil || n != 2 {
		t.Errorf("%d, error %v", n, err)
	}
}

// It ends with its parent.
var roleParent = proctest.Register("parent", func(args []string) {
	m, err := Start(background, Options{Name: args[0]})
	proctest.ExitOn(err)
	proctest.Say("%d", m.Process().PID())
	proctest.Hear()
})

func TestManagerEndsWithItsParent(t *testing.T) {
	name := proctest.Dir(t) + "/manager"
	child := proctest.Start(t, roleParent, name)
	pid, err := strconv.Atoi(child.Line())
	if err != nil {
		t.Fatal(err)
	}
	m, err := Dial(background, name, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	lost := m.Lost()
	child.Kill()
	proctest.Ends(t, lost, "the manager ends with its parent")
	proctest.Eventually(t, proctest.Hang, func() bool { return syscall.Kill(pid, 0) != nil }, "its process has ended")
}

func TestKeys(t *testing.T) {
	for name, o := range addresses(t) {
		for _, c := range []struct{ server, client, want string }{
			{"right", "right", ""}, {"right", "wrong", "differ"}, {"right", "", "wants a key"}, {"", "needless", "has none"},
		} {
			o := o
			if o.Key = keyOf(c.server); name == "tcp" {
				o.Insecure = true
			}
			m := start(t, o)
			child := proctest.Start(t, roleClient, m.Address(), c.client, "put", "hello")
			if c.want != "" {
				if line := child.Line(); !strings.Contains(line, c.want) {
					t.Errorf("%s, keys %q and %q: %q", name, c.server, c.client, line)
				}
			}
			child.WaitOK()
			d, err := Desk.Named(background, m, "main", nil)
			if err != nil {
				t.Fatal(err)
			}
			if all, err := All.Call(background, d, struct{}{}); err != nil || (len(all) == 1) != (c.want == "") {
				t.Errorf("%s, keys %q and %q: %q, error %v", name, c.server, c.client, all, err)
			}
			m.Shutdown(background)
		}
	}
}

func TestInsecureAddressesAreRefused(t *testing.T) {
	for _, c := range []struct {
		address string
		o       Options
	}{
		{"tcp://127.0.0.1:0", Options{}}, {"tcp://127.0.0.1:0", Options{Key: []byte("key")}},
		{"tcp://0.0.0.0:0", Options{Key: []byte("key"), Insecure: true}}, {"tcp://[::]:0", Options{Insecure: true}},
		{"tcp://0.0.0.0:0", Options{TLS: &tls.Config{}}}, {"tcp://192.0.2.1:1", Options{TLS: &tls.Config{}, Insecure: true}},
		{"tcp://example.com:1", Options{Key: []byte("key"), Insecure: true}},
	} {
		if _, err := Listen(c.address, c.o); !errors.Is(err, ErrInsecure) {
			t.Errorf("listen at %s: error %v", c.address, err)
		}
		if _, err := Dial(background, c.address, c.o); !errors.Is(err, ErrInsecure) {
			t.Errorf("dial %s: error %v", c.address, err)
		}
	}
	if _, err := Start(background, Options{Key: []byte{}}); !errors.Is(err, os.ErrInvalid) {
		t.Errorf("an empty key: error %v", err)
	}
}

// setUp is an initializer that fails when the environment says so.
var setUp = Initialize("setUp", func(context.Context) error {
	if os.Getenv("MANAGER_TEST_FAIL") != "" {
		return fmt.Errorf("set up: %w", errNotFound)
	}
	os.Setenv("MANAGER_TEST_DONE", "yes")
	return nil
})

// Env is a variable of the manager's environment.
var Env = Method(Desk, "env", func(_ *desk, _ context.Context, name string) (string, error) { return os.Getenv(name), nil })

func TestInitializer(t *testing.T) {
	d := newDesk(t, start(t, Options{Initializer: setUp}))
	if v, err := Env.Call(background, d, "MANAGER_TEST_DONE"); err != nil || v != "yes" {
		t.Errorf("%q, error %v", v, err)
	}
	_, err := Start(background, Options{Initializer: setUp, Process: process.Options{Env: []string{"MANAGER_TEST_FAIL=1"}}})
	if !errors.Is(err, errNotFound) {
		t.Errorf("error %v", err)
	}
}

// use is a task that calls the object in its argument.
var use = pool.Define("manager_test.use", func(ctx context.Context, d *Ref[*desk]) (int, error) {
	return Append.Call(ctx, d, "task")
})

// A reference goes through a task of a pool, and is given back at its end.
func TestRefThroughPool(t *testing.T) {
	m := start(t, Options{})
	d := newDesk(t, m)
	p, err := pool.New(background, pool.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for range 10 {
		if _, err := pool.Apply(background, p, use, d); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := Append.Call(background, d, "last"); err != nil || n != 11 {
		t.Errorf("%d, error %v", n, err)
	}
	proctest.Eventually(t, proctest.Hang, func() bool {
		list, err := m.Objects(background)
		return err == nil && len(list) == 1 && list[0].References == 1
	}, "the tasks have given their references back")
}
