package pipe_test

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/queue/pipe"
)

type question struct{ Words []string }

type answer struct{ Count int }

func ExampleListenTyped() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)
	ctx, name := context.Background(), filepath.Join(dir, "count")
	o := pipe.TypedOptions{Key: []byte("what both sides know")}

	l, err := pipe.ListenTyped[answer, question](name, o)
	if err != nil {
		log.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept(ctx)
		if err != nil {
			return
		}
		defer c.Close()
		for {
			q, err := c.Recv(ctx)
			if err != nil {
				return // io.EOF: the other side has closed its end
			}
			c.Send(ctx, answer{len(q.Words)})
		}
	}()

	// usually in another process
	c, err := pipe.DialTyped[question, answer](ctx, name, o)
	if err != nil {
		log.Fatal(err)
	}
	defer c.Close()
	if err := c.Send(ctx, question{[]string{"how", "many", "words"}}); err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Recv(ctx))
	// Output: {3} <nil>
}
