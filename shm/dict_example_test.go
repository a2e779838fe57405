//go:build linux

package shm_test

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/shmkit/shmkit/shm"
)

func ExampleDict() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	ages, err := shm.NewDict[string, int32](seg, "ages", shm.DictOptions{})
	if err != nil {
		log.Fatal(err)
	}
	if err := ages.Set(context.Background(), "ann", 41); err != nil {
		log.Fatal(err)
	}
	age, ok, err := ages.Get("ann") // in any process
	fmt.Println(age, ok, err)
	// Output: 41 true <nil>
}

// A cache that worker processes share: one of them renders a page, and the others wait for it.
func ExampleDict_Do() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	pages, err := shm.NewDict[string, []byte](seg, "pages", shm.DictOptions{MaxBytes: 1 << 20, TTL: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	for range 3 {
		page, err := pages.Do(context.Background(), "/index", func(context.Context) ([]byte, error) {
			fmt.Println("rendering")
			return []byte("<html>"), nil
		})
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%s\n", page)
	}
	// Output:
	// rendering
	// <html>
	// <html>
	// <html>
}

// A limit of requests for each client, in all processes together.
func ExampleAdd() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	requests, err := shm.NewDict[string, int64](seg, "requests", shm.DictOptions{TTL: time.Minute})
	if err != nil {
		log.Fatal(err)
	}
	for range 4 {
		n, err := shm.Add(context.Background(), requests, "10.0.0.7", 1)
		fmt.Println(n <= 3, err)
	}
	// Output:
	// true <nil>
	// true <nil>
	// true <nil>
	// false <nil>
}

func ExampleDict_All() {
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	stock, err := shm.NewDict[string, int32](seg, "stock", shm.DictOptions{})
	if err != nil {
		log.Fatal(err)
	}
	for i, fruit := range []string{"apples", "pears", "plums"} {
		if err := stock.Set(context.Background(), fruit, int32(i)); err != nil {
			log.Fatal(err)
		}
	}
	for fruit, n := range stock.All() { // in no order
		fmt.Println(fruit, n)
	}
	// Unordered output:
	// apples 0
	// pears 1
	// plums 2
}
