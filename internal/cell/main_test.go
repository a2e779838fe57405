package cell

import (
	"bytes"
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

func valueOf(c byte, n int) []byte { return bytes.Repeat([]byte{c}, n) }

func openIn(s *segment.Segment, initial []byte) *Cell {
	spec := Spec("v", "bytes", initial)
	o, err := s.Open(segment.Spec{Name: "v", Kind: segment.KindVar, Type: "bytes", Size: segment.AnySize})
	if err != nil {
		o, _, err = s.New(spec)
	}
	must(err)
	c, err := Of(o)
	must(err)
	return c
}
