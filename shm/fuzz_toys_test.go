//go:build linux

package shm_test

import (
	"context"
	"encoding"
	"errors"

	"github.com/shmkit/shmkit/shm"
)

// item is what the victim's values and arrays hold.
type item struct {
	A int64
	B [3]uint16
	C bool
}

var errRefused = errors.New("the callback refuses")

// A toy is a handle of any kind that a fuzz target plays with.
type toy interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
	Name() string
	// use does all that the handle can do. It calls tamper where a lock is held, if there is one.
	use(ctx context.Context, n uint64, tamper func()) error
}

// A toyKind makes toys of one kind.
type toyKind struct {
	name  string
	make  func(seg *shm.Segment, name string) (toy, error)
	open  func(seg *shm.Segment, name string) (toy, error)
	empty func() toy // bound to nothing
}

var toys = []toyKind{
	{
		"value",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewValue(s, name, item{A: 1})
			return valueToy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenValue[item](s, name)
			return valueToy{h}, err
		},
		func() toy { return valueToy{new(shm.Value[item])} },
	},
	{
		"rawvalue",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewRawValue(s, name, item{A: 1})
			return rawValueToy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenRawValue[item](s, name)
			return rawValueToy{h}, err
		},
		func() toy { return rawValueToy{new(shm.RawValue[item])} },
	},
	{
		"array",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewArray[item](s, name, 5)
			return arrayToy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenArray[item](s, name)
			return arrayToy{h}, err
		},
		func() toy { return arrayToy{new(shm.Array[item])} },
	},
	{
		"rawarray",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewRawArray[item](s, name, 5)
			return rawArrayToy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenRawArray[item](s, name)
			return rawArrayToy{h}, err
		},
		func() toy { return rawArrayToy{new(shm.RawArray[item])} },
	},
	{
		"int32",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewInt32(s, name, -1)
			return int32Toy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenInt32(s, name)
			return int32Toy{h}, err
		},
		func() toy { return int32Toy{new(shm.Int32)} },
	},
	{
		"uint32",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewUint32(s, name, 1)
			return uint32Toy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenUint32(s, name)
			return uint32Toy{h}, err
		},
		func() toy { return uint32Toy{new(shm.Uint32)} },
	},
	{
		"int64",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewInt64(s, name, -1)
			return int64Toy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenInt64(s, name)
			return int64Toy{h}, err
		},
		func() toy { return int64Toy{new(shm.Int64)} },
	},
	{
		"uint64",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewUint64(s, name, 1)
			return uint64Toy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenUint64(s, name)
			return uint64Toy{h}, err
		},
		func() toy { return uint64Toy{new(shm.Uint64)} },
	},
	{
		"bool",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewBool(s, name, true)
			return boolToy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenBool(s, name)
			return boolToy{h}, err
		},
		func() toy { return boolToy{new(shm.Bool)} },
	},
	{
		"float64",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewFloat64(s, name, 1)
			return floatToy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenFloat64(s, name)
			return floatToy{h}, err
		},
		func() toy { return floatToy{new(shm.Float64)} },
	},
	{
		"counter",
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.NewCounter(s, name)
			return counterToy{h}, err
		},
		func(s *shm.Segment, name string) (toy, error) {
			h, err := shm.OpenCounter(s, name)
			return counterToy{h}, err
		},
		func() toy { return counterToy{new(shm.Counter)} },
	},
}
