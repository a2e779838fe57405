package pool_test

import (
	"testing"

	"github.com/shmkit/shmkit/internal/pooltest"
	"github.com/shmkit/shmkit/pool"
)

// Every kind of pool does what the table of package pooltest says.
func TestEachKindBehavesTheSame(t *testing.T) {
	t.Run("processes", func(t *testing.T) {
		pooltest.Run(t, pooltest.Kind{New: func(t *testing.T, o pooltest.Options) *pool.Pool {
			p := newPool(t, o.Pool())
			ready(t, p, o.Workers)
			return p
		}})
	})
	t.Run("goroutines", func(t *testing.T) {
		pooltest.Run(t, pooltest.Kind{Immortal: true, New: func(t *testing.T, o pooltest.Options) *pool.Pool { return newLocal(t, o.Pool()) }})
	})
	t.Run("elsewhere", func(t *testing.T) {
		pooltest.Run(t, pooltest.Kind{Elsewhere: true, New: func(t *testing.T, o pooltest.Options) *pool.Pool {
			p := newBridged(t, o.Pool())
			ready(t, p, o.Workers)
			return p
		}})
	})
}
