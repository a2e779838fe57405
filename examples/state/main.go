// State shares a value and an array with a child process, which changes both. The objects have no
// name and lie in the program's own segment: the child gets them by their handles, in its argument.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
	"github.com/shmkit/shmkit/shm"
)

type state struct {
	Num *shm.RawValue[float64]
	Arr *shm.RawArray[int32]
}

var change = pool.Define("change", func(_ context.Context, s state) (any, error) {
	s.Num.Store(3.1415927)
	for i := range s.Arr.Len() {
		s.Arr.Set(i, -int32(i))
	}
	return nil, nil
})

func main() {
	pool.Main() // runs the task, in the child
	seg, noSegment := shm.Default()
	num, noNum := shm.NewRawValue(seg, "", 0.0)
	arr, noArr := shm.NewRawArray[int32](seg, "", 10)
	if err := errors.Join(noSegment, noNum, noArr); err != nil {
		log.Fatal(err)
	}
	child, err := process.Start(context.Background(), change, state{num, arr}, process.Options{})
	if err != nil {
		log.Fatal(err)
	}
	child.Join(context.Background())
	fmt.Println(num.Load(), arr.Slice())
}
