package pipe_test

import (
	"context"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/queue/pipe"
)

func ExampleListen() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	name := filepath.Join(dir, "greeter")

	l, err := pipe.Listen(name, pipe.ListenOptions{})
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

	// usually in another process
	c, err := pipe.Dial(context.Background(), name, pipe.DialOptions{})
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	greeting, err := io.ReadAll(c)
	fmt.Println(string(greeting), err)
	// Output: welcome <nil>
}
