package pool_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"

	"github.com/shmkit/shmkit/pool"
)

var (
	errKnown   = errors.New("known")
	errUnknown = errors.New("unknown")
)

func init() { pool.RegisterError("pool_test.errKnown", errKnown) }

// fail is a task that fails in a way that does not take its worker along.
var fail = pool.Define("fail", func(_ context.Context, how string) (int64, error) {
	switch how {
	case "wrapped":
		return 1, fmt.Errorf("outer: %w", errKnown)
	case "unregistered":
		return 1, fmt.Errorf("outer: %w", errUnknown)
	case "panic":
		panic("ouch")
	case "goexit":
		runtime.Goexit()
	}
	return 0, nil
})
