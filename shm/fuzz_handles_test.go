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

// A fuzzHandle is a handle of any kind that a fuzz target plays with.
type fuzzHandle interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
	Name() string
	// use does all that the handle can do. It calls tamper where a lock is held, if there is one.
	use(ctx context.Context, n uint64, tamper func()) error
}

// A handleKind makes handleKinds of one kind.
type handleKind struct {
	name  string
	make  func(seg *shm.Segment, name string) (fuzzHandle, error)
	open  func(seg *shm.Segment, name string) (fuzzHandle, error)
	empty func() fuzzHandle // bound to nothing
}

var handleKinds = []handleKind{
	{
		"value",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewValue(s, name, item{A: 1})
			return valueHandle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenValue[item](s, name)
			return valueHandle{h}, err
		},
		func() fuzzHandle { return valueHandle{new(shm.Value[item])} },
	},
	{
		"rawvalue",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewRawValue(s, name, item{A: 1})
			return rawValueHandle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenRawValue[item](s, name)
			return rawValueHandle{h}, err
		},
		func() fuzzHandle { return rawValueHandle{new(shm.RawValue[item])} },
	},
	{
		"array",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewArray[item](s, name, 5)
			return arrayHandle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenArray[item](s, name)
			return arrayHandle{h}, err
		},
		func() fuzzHandle { return arrayHandle{new(shm.Array[item])} },
	},
	{
		"rawarray",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewRawArray[item](s, name, 5)
			return rawArrayHandle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenRawArray[item](s, name)
			return rawArrayHandle{h}, err
		},
		func() fuzzHandle { return rawArrayHandle{new(shm.RawArray[item])} },
	},
	{
		"int32",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewInt32(s, name, -1)
			return int32Handle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenInt32(s, name)
			return int32Handle{h}, err
		},
		func() fuzzHandle { return int32Handle{new(shm.Int32)} },
	},
	{
		"uint32",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewUint32(s, name, 1)
			return uint32Handle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenUint32(s, name)
			return uint32Handle{h}, err
		},
		func() fuzzHandle { return uint32Handle{new(shm.Uint32)} },
	},
	{
		"int64",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewInt64(s, name, -1)
			return int64Handle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenInt64(s, name)
			return int64Handle{h}, err
		},
		func() fuzzHandle { return int64Handle{new(shm.Int64)} },
	},
	{
		"uint64",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewUint64(s, name, 1)
			return uint64Handle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenUint64(s, name)
			return uint64Handle{h}, err
		},
		func() fuzzHandle { return uint64Handle{new(shm.Uint64)} },
	},
	{
		"bool",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewBool(s, name, true)
			return boolHandle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenBool(s, name)
			return boolHandle{h}, err
		},
		func() fuzzHandle { return boolHandle{new(shm.Bool)} },
	},
	{
		"float64",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewFloat64(s, name, 1)
			return floatHandle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenFloat64(s, name)
			return floatHandle{h}, err
		},
		func() fuzzHandle { return floatHandle{new(shm.Float64)} },
	},
	{
		"counter",
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.NewCounter(s, name)
			return counterHandle{h}, err
		},
		func(s *shm.Segment, name string) (fuzzHandle, error) {
			h, err := shm.OpenCounter(s, name)
			return counterHandle{h}, err
		},
		func() fuzzHandle { return counterHandle{new(shm.Counter)} },
	},
}
