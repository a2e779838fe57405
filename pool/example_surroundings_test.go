package pool_test

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

var greeting = pool.Define("greeting", func(_ context.Context, name string) (string, error) {
	return os.Getenv("GREETING") + ", " + name, nil
})

// Workers with an environment of their own, which share the processors of the machine and are nice
// to what else runs on it.
func ExampleOptions_surroundings() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{
		Workers: 2, Env: []string{"GREETING=hello"}, GOMAXPROCS: pool.MachineShare, Nice: 5,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	text, err := pool.Apply(ctx, p, greeting, "world")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(text)
	// Output: hello, world
}

var deafTask = pool.Define("deaf to all", func(context.Context, int64) (int64, error) { select {} })

// A process that takes no notice of being asked to end is killed after a grace.
func ExampleProcess_Terminate() {
	p, err := process.Start(context.Background(), deafTask, 0, process.Options{})
	if err != nil {
		log.Fatal(err)
	}
	if err := p.Terminate(0); err != nil {
		log.Fatal(err)
	}
	if err := p.Join(context.Background()); err != nil {
		log.Fatal(err)
	}
	code, _ := p.ExitCode()
	fmt.Println("ended by signal", -code)
	// Output: ended by signal 9
}
