package queue_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/queue"
)

func ExampleListen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "greeter")

	l, err := queue.Listen(name, queue.ListenOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the listener was closed
			}
			fmt.Fprint(c, "welcome")
			c.Close()
		}
	}()

	c, err := queue.Dial(context.Background(), name, queue.DialOptions{}) // usually in another process
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	greeting, err := io.ReadAll(c)
	fmt.Println(string(greeting), err)
	// Output: welcome <nil>
}
