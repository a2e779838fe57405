// Command new is a host of the second version of a program: one task is new, and one has another
// argument.
package main

import (
	"context"
	"log"
	"os"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/pool"
)

func init() {
	pool.Define("upgrade common", func(_ context.Context, n int64) (string, error) { return "new", nil })
	pool.Define("upgrade changed", func(_ context.Context, text string) (string, error) { return "new", nil })
	pool.Define("upgrade fresh", func(_ context.Context, n int64) (string, error) { return "new", nil })
}

func main() {
	pool.Main()
	if err := cluster.Serve(context.Background(), cluster.ServeOptions{Servers: os.Args[1:], Name: "new", Pool: pool.Options{Workers: 1}}); err != nil {
		log.Fatal(err)
	}
}
