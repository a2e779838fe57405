// Command old is a host of the first version of a program.
package main

import (
	"context"
	"log"
	"os"

	"github.com/shmkit/shmkit/cluster"
	"github.com/shmkit/shmkit/pool"
)

func init() {
	pool.Define("upgrade common", func(_ context.Context, n int64) (string, error) { return "old", nil })
	pool.Define("upgrade changed", func(_ context.Context, n int64) (string, error) { return "old", nil })
}

func main() {
	pool.Main()
	if err := cluster.Serve(context.Background(), cluster.ServeOptions{Servers: os.Args[1:], Name: "old", Pool: pool.Options{Workers: 1}}); err != nil {
		log.Fatal(err)
	}
}
