//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/shm"
)

// A monitor looks at the counter of a server, and cannot change it. When the server removes the
// counter, the monitor is told.
func ExampleOpenReadOnly() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "server")

	server, err := shm.Create(path, shm.Options{Size: 1 << 20})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	state, err := shm.NewValue(server, "state", [2]int64{3, 4})
	if err != nil {
		log.Fatal(err)
	}

	look, err := shm.OpenReadOnly(path) // in another process, of a user who may only read
	if err != nil {
		log.Fatal(err)
	}
	defer look.Close()
	seen, err := shm.OpenValue[[2]int64](look, "state")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(seen.Load())
	if err := state.Store(context.Background(), [2]int64{5, 6}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(seen.Load())

	err = seen.Store(context.Background(), [2]int64{})
	fmt.Println(errors.Is(err, fs.ErrPermission))

	if err := server.RemoveObject("state"); err != nil {
		log.Fatal(err)
	}
	_, err = seen.Load()
	fmt.Println(errors.Is(err, shm.ErrRemoved))
	// Output:
	// [3 4] <nil>
	// [5 6] <nil>
	// true
	// true
}
