//go:build linux

package shm_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"sync"

	"github.com/shmkit/shmkit/shm"
)

// Many goroutines and processes count together.
func ExampleCounter() {
	seg, err := shm.Anonymous(shm.Options{}) // others get it by its descriptor
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	hits, err := shm.NewCounter(seg, "hits")
	if err != nil {
		log.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 1000 {
				hits.Add(1)
			}
		})
	}
	wg.Wait()
	fmt.Println(hits.Sum())
	// Output: 4000
}

// A change happens as a whole or, when the function returns an error, not at all.
func ExampleValue_Update() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()

	type account struct {
		Cents   int64
		Changes uint32
	}
	balance, err := shm.NewValue(seg, "account", account{Cents: 100})
	if err != nil {
		log.Fatal(err)
	}
	withdraw := func(cents int64) error {
		return balance.Update(context.Background(), func(a *account) error {
			a.Cents -= cents
			a.Changes++
			if a.Cents < 0 {
				return errors.New("not enough money")
			}
			return nil
		})
	}
	fmt.Println(withdraw(70))
	fmt.Println(withdraw(70))
	a, err := balance.Load()
	fmt.Println(a, err)
	// Output:
	// <nil>
	// not enough money
	// {30 1} <nil>
}

func ExampleArray_Update() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	samples, err := shm.NewArray[float64](seg, "samples", 4)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	err = samples.Update(ctx, func(e []float64) error {
		for i := range e {
			e[i] = float64(i) / 2
		}
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	if err := samples.Set(ctx, 0, -1); err != nil {
		log.Fatal(err)
	}
	for i, e := range samples.All() {
		fmt.Println(i, e)
	}
	// Output:
	// 0 -1
	// 1 0.5
	// 2 1
	// 3 1.5
}

// The process that comes first makes the segment and the object in it; the others find them.
func ExampleOpenOrCreate() {
	dir, err := os.MkdirTemp("", "example") // without this: /dev/shm/shmkit-UID
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	os.Setenv("SHMKIT_DIR", dir)
	defer os.Unsetenv("SHMKIT_DIR")

	for range 2 { // each time like a process of its own
		seg, err := shm.OpenOrCreate("web", shm.Options{Size: 1 << 20})
		if err != nil {
			log.Fatal(err)
		}
		starts, err := shm.NewInt64(seg, "starts", 0)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println("start", starts.Add(1))
		if err := seg.Close(); err != nil {
			log.Fatal(err)
		}
	}
	fmt.Println(shm.Remove("web"))
	// Output:
	// start 1
	// start 2
	// <nil>
}
