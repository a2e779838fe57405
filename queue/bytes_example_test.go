package queue_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/queue"
	"github.com/shmkit/shmkit/shm"
)

// Messages of any length; one is written where it will lie, without a copy.
func ExampleBytes() {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	lines, err := queue.NewBytes(seg, "lines", 4096, queue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := lines.Put(ctx, []byte("hello")); err != nil {
		log.Fatal(err)
	}
	place, err := lines.Reserve(ctx, 5)
	if err != nil {
		log.Fatal(err)
	}
	copy(place.Value, "world")
	if err := place.Commit(); err != nil {
		log.Fatal(err)
	}
	lines.Close()
	for line, err := range lines.All(ctx) {
		fmt.Println(string(line), err)
	}
	// Output:
	// hello <nil>
	// world <nil>
}

// A value of any type that can be encoded.
func ExampleObjects() {
	type Job struct {
		Name  string
		Files []string
	}
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer seg.Close()
	jobs, err := queue.NewObjects[Job](seg, "jobs", 1<<16, queue.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := jobs.Put(ctx, Job{"build", []string{"a.go", "b.go"}}); err != nil {
		log.Fatal(err)
	}
	job, err := jobs.Get(ctx)
	fmt.Println(job.Name, job.Files, err)
	// Output:
	// build [a.go b.go] <nil>
}
