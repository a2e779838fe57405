package pipe_test

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/queue/pipe"
	"github.com/shmkit/shmkit/shm"
)

// upper answers what its parent sends, by the end of a pipe that came as its argument.
var upper = pool.Define("pipe_test.upper", func(ctx context.Context, end *pipe.Conn) (struct{}, error) {
	c, err := pipe.Typed[answer, question](end, pipe.TypedOptions{Key: []byte("key")})
	if err != nil {
		return struct{}{}, err
	}
	defer c.Close()
	for {
		q, err := c.Recv(ctx)
		if err != nil {
			return struct{}{}, nil
		}
		if err := c.Send(ctx, answer{len(q.Words)}); err != nil {
			return struct{}{}, err
		}
	}
})

// A pipe for a child is typed at both ends, with a key.
func TestTypedOfParentAndChild(t *testing.T) {
	ctx := context.Background()
	seg, err := shm.Anonymous(shm.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	end, err := pipe.New(seg, "talk", pipe.Options{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := process.Start(ctx, upper, end, process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := pipe.Typed[question, answer](end, pipe.TypedOptions{Key: []byte("key")})
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := c.Send(ctx, question{make([]string, i)}); err != nil {
			t.Fatal(err)
		}
		if a, err := c.Recv(ctx); err != nil || a.Count != i {
			t.Fatalf("answer %v, error %v, want %d", a, err, i)
		}
	}
	c.Close()
	if err := p.Join(ctx); err != nil {
		t.Fatal(err)
	}
	if code, _ := p.ExitCode(); code != 0 {
		t.Errorf("exit code %d", code)
	}
}
