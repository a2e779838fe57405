package list

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

func TestMain(m *testing.M) { proctest.Main(m) }

var background = context.Background()

func must(err error) {
	if err != nil {
		panic(err)
	}
}

const size = 48

func openIn(s *segment.Segment) *List {
	o, _, err := s.New(Spec("l", "", size))
	must(err)
	l, err := Of(o, size)
	must(err)
	return l
}
