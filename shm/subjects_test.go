//go:build linux

package shm_test

import (
	"encoding"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/shmkit/shmkit/shm"
)

// A subject is an object that can have one of two contents, compared bit for bit.
type subject struct {
	name string
	put  func(seg *shm.Segment, n int) error // finds or makes it
	get  func(seg *shm.Segment, n int) error // opens it and compares
}

type (
	nested struct {
		B    bool
		_    [3]byte
		N    [3]int16
		Deep [2]struct {
			A int8
			C complex64
		}
	}
	odd struct {
		A int8
		B [7]byte
		C uint16
	}
)

// subjects is every kind of object with elements of every width and shape.
func subjects() (all []subject) {
	return join(
		of("bool", true, false),
		of[int8]("int8", math.MinInt8, math.MaxInt8),
		of[int16]("int16", math.MinInt16, math.MaxInt16),
		of[int32]("int32", math.MinInt32, math.MaxInt32),
		of[int64]("int64", math.MinInt64, math.MaxInt64),
		of[uint8]("uint8", math.MaxUint8, 1),
		of[uint16]("uint16", math.MaxUint16, 1),
		of[uint32]("uint32", math.MaxUint32, 1),
		of[uint64]("uint64", math.MaxUint64, 1),
		of("float32", float32(math.NaN()), float32(math.Copysign(0, -1))),
		of("float64", math.Float64frombits(0x7ff8_0000_dead_beef), math.Copysign(0, -1)),
		of("complex64", complex64(complex(math.Inf(1), -0.5)), 3i),
		of("complex128", complex(math.NaN(), math.Copysign(0, -1)), 1+2i),
		of("[3]byte", [3]byte{1, 2, 3}, [3]byte{255, 0, 255}),
		of("[2][7]int16", [2][7]int16{{1}, {6: -1}}, [2][7]int16{{3: 9}}),
		of("[64]int64", [64]int64{0: 1, 63: 2}, [64]int64{31: -1}),
		of("[5000]uint8", [5000]uint8{4999: 7}, [5000]uint8{0: 8}),
		of("odd", odd{A: -1, B: [7]byte{6: 9}, C: 65535}, odd{C: 1}),
		of("nested", nested{B: true, N: [3]int16{-1, 2, -3}}, nested{Deep: [2]struct {
			A int8
			C complex64
		}{{1, 2i}, {3, 4}}}),
		atomics(),
	)
}

func join(lists ...[]subject) (all []subject) {
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

const elements = 5

// of is the objects with elements of type T.
func of[T any](typ string, contents ...T) []subject {
	return []subject{
		{"Value of " + typ, func(seg *shm.Segment, n int) error {
			v, err := shm.NewValue(seg, "Value "+typ, contents[n])
			if err != nil {
				return err
			}
			return v.Store(background, contents[n])
		}, func(seg *shm.Segment, n int) error {
			v, err := shm.OpenValue[T](seg, "Value "+typ)
			if err != nil {
				return err
			}
			got, err := v.Load()
			return same(got, contents[n], err)
		}},
		{"RawValue of " + typ, func(seg *shm.Segment, n int) error {
			v, err := shm.NewRawValue(seg, "RawValue "+typ, contents[n])
			if err != nil {
				return err
			}
			v.Store(contents[n])
			return nil
		}, func(seg *shm.Segment, n int) error {
			v, err := shm.OpenRawValue[T](seg, "RawValue "+typ)
			if err != nil {
				return err
			}
			return same(v.Load(), *v.Pointer(), same(v.Load(), contents[n], nil))
		}},
		{"Array of " + typ, func(seg *shm.Segment, n int) error { return putArray(seg, "Array "+typ, contents, n) },
			func(seg *shm.Segment, n int) error { return getArray(seg, "Array "+typ, contents, n) }},
		{"RawArray of " + typ, func(seg *shm.Segment, n int) error {
			a, err := shm.NewRawArray[T](seg, "RawArray "+typ, elements)
			if err != nil {
				return err
			}
			for i := range a.Len() {
				a.Set(i, contents[(i+n)%2])
			}
			return nil
		}, func(seg *shm.Segment, n int) error {
			a, err := shm.OpenRawArray[T](seg, "RawArray "+typ)
			if err != nil {
				return err
			}
			seen := 0
			for i, e := range a.All() {
				seen++
				if err := same(e, contents[(i+n)%2], same(a.At(i), a.Slice()[i], nil)); err != nil {
					return err
				}
			}
			return same(int64(seen), elements, nil)
		}},
	}
}

func putArray[T any](seg *shm.Segment, name string, contents []T, n int) error {
	a, err := shm.NewArray[T](seg, name, elements)
	if err != nil {
		return err
	}
	if err := a.Set(background, 0, contents[n%2]); err != nil {
		return err
	}
	return a.UpdateRange(background, 1, elements, func(e []T) error {
		for i := range e {
			e[i] = contents[(i+1+n)%2]
		}
		return nil
	})
}

func getArray[T any](seg *shm.Segment, name string, contents []T, n int) error {
	a, err := shm.OpenArray[T](seg, name)
	if err != nil {
		return err
	}
	seen := 0
	for i, e := range a.All() {
		seen++
		at, err := a.At(background, i)
		if err := same(e, contents[(i+n)%2], same(at, a.Slice()[i], err)); err != nil {
			return err
		}
	}
	return a.Read(background, func(e []T) error { return same(int64(seen), int64(len(e)), same(int64(a.Len()), elements, nil)) })
}

// atomics is the objects without a type parameter.
func atomics() []subject {
	return []subject{
		atomicOf("Int32", shm.NewInt32, shm.OpenInt32, math.MinInt32, math.MaxInt32),
		atomicOf("Int64", shm.NewInt64, shm.OpenInt64, math.MinInt64, math.MaxInt64),
		atomicOf("Uint32", shm.NewUint32, shm.OpenUint32, 0, math.MaxUint32),
		atomicOf("Uint64", shm.NewUint64, shm.OpenUint64, 0, math.MaxUint64),
		atomicOf("Float64", shm.NewFloat64, shm.OpenFloat64, math.NaN(), math.Copysign(0, -1)),
		atomicOf("Bool", shm.NewBool, shm.OpenBool, true, false),
		{"Counter", func(seg *shm.Segment, n int) error {
			c, err := shm.NewCounter(seg, "Counter")
			if err == nil {
				c.Add(int64(100*n-50) - c.Sum())
			}
			return err
		}, func(seg *shm.Segment, n int) error {
			c, err := shm.OpenCounter(seg, "Counter")
			if err != nil {
				return err
			}
			return same(c.Sum(), int64(100*n-50), nil)
		}},
	}
}

type handle interface {
	encoding.BinaryMarshaler
	encoding.BinaryUnmarshaler
	Name() string
	Segment() *shm.Segment
}

type loadStore[T any] interface {
	handle
	Load() T
	Store(T)
}

func atomicOf[T any, A loadStore[T]](name string, new func(*shm.Segment, string, T) (A, error), open func(*shm.Segment, string) (A, error), contents ...T) subject {
	return subject{name, func(seg *shm.Segment, n int) error {
		a, err := new(seg, name, contents[n])
		if err == nil {
			a.Store(contents[n])
		}
		return err
	}, func(seg *shm.Segment, n int) error {
		a, err := open(seg, name)
		if err != nil {
			return err
		}
		return same(a.Load(), contents[n], nil)
	}}
}

// same compares bits, unless there is an error already.
func same[T any](got, want T, err error) error {
	if err == nil && string(bits(got)) != string(bits(want)) {
		err = fmt.Errorf("got %v, want %v", got, want)
	}
	return err
}

func bits[T any](v T) []byte { return need(binary.Append(nil, binary.LittleEndian, v)) }
