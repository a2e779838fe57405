package cluster_test

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

// The caller is of the second version: see testdata/upgrade.
var (
	upgradeCommon  = pool.Define("upgrade common", func(context.Context, int64) (string, error) { return "caller", nil })
	upgradeChanged = pool.Define("upgrade changed", func(context.Context, string) (string, error) { return "caller", nil })
	upgradeFresh   = pool.Define("upgrade fresh", func(context.Context, int64) (string, error) { return "caller", nil })
)

// startVersion builds the host of a version, and starts it.
func startVersion(t *testing.T, version, address string) *exec.Cmd {
	t.Helper()
	program := filepath.Join(t.TempDir(), version)
	if out, err := exec.Command("go", "build", "-o", program, "./testdata/upgrade/"+version).CombinedOutput(); err != nil {
		t.Fatalf("build the version %s: %v\n%s", version, err, out)
	}
	host := exec.Command(program, address)
	if err := proctest.StartBound(host); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if host.ProcessState == nil {
			host.Process.Kill()
			host.Wait()
		}
	})
	return host
}

// Hosts of two versions serve one queue, while one version replaces the other: a task that a host
// does not know, or knows with another argument, runs on one that knows it, and no task fails.
func TestHostsOfTwoVersionsServeOneQueue(t *testing.T) {
	if testing.Short() {
		t.Skip("it builds two programs")
	}
	c, err := cluster.New(t.Context(), cluster.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	old := startVersion(t, "old", c.Addr())
	awaitHosts(t, c, 1)
	if on, err := pool.Apply(t.Context(), c.Pool, upgradeCommon, 1); on != "old" || err != nil {
		t.Errorf("with the first version alone: on %q, %v", on, err)
	}
	var unknown *cluster.UnknownTaskError
	if _, err := pool.Apply(t.Context(), c.Pool, upgradeFresh, 1); !errors.As(err, &unknown) || unknown.Differs || !slices.Equal(unknown.Hosts, []string{"old"}) {
		t.Errorf("a new task, with the first version alone: %v", err)
	}
	if _, err := pool.Apply(t.Context(), c.Pool, upgradeChanged, "x"); !errors.As(err, &unknown) || !unknown.Differs {
		t.Errorf("a task with another argument, with the first version alone: %v", err)
	}

	done := make(chan struct{}) // while the versions change, tasks that both know go on
	var others sync.WaitGroup
	others.Go(func() {
		for n := int64(0); ; n++ {
			if on, err := pool.Apply(t.Context(), c.Pool, upgradeCommon, n); err != nil {
				t.Errorf("during the upgrade: on %q, %v", on, err)
			}
			select {
			case <-done:
				return
			default:
			}
		}
	})
	fresh := startVersion(t, "new", c.Addr())
	awaitHosts(t, c, 2)
	for range 20 {
		if on, err := pool.Apply(t.Context(), c.Pool, upgradeFresh, 1); on != "new" || err != nil {
			t.Errorf("a new task, with both versions: on %q, %v", on, err)
		}
		if on, err := pool.Apply(t.Context(), c.Pool, upgradeChanged, "x"); on != "new" || err != nil {
			t.Errorf("a task with another argument, with both versions: on %q, %v", on, err)
		}
	}
	if err := old.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := old.Wait(); err != nil {
		t.Errorf("the first version ends: %v", err)
	}
	if on, err := pool.Apply(t.Context(), c.Pool, upgradeCommon, 1); on != "new" || err != nil {
		t.Errorf("with the second version alone: on %q, %v", on, err)
	}
	close(done)
	others.Wait()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	fresh.Process.Signal(syscall.SIGTERM)
	if err := fresh.Wait(); err != nil {
		t.Errorf("the second version ends: %v", err)
	}
}
