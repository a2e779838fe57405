package process_test

import (
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
)

func TestMain(m *testing.M) {
	pool.Main()
	proctest.Main(m)
}
