package mapping

import (
	"io/fs"
	"os"

	"github.com/edsrzf/mmap-go"
)

// Memory is a mapped file. It stays where it is until Unmap.
type Memory struct {
	m    mmap.MMap
	name string // of the file, for errors
}

// Map maps the first size bytes of f for reading and writing, shared with all processes that map
// the file.
func Map(f *os.File, size int) (*Memory, error) {
	m, err := mmap.MapRegion(f, size, mmap.RDWR, 0, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	return &Memory{m: m, name: f.Name()}, nil
}

// MapReadOnly is [Map] without the right to write: a store into the memory raises SIGSEGV.
func MapReadOnly(f *os.File, size int) (*Memory, error) {
	m, err := mmap.MapRegion(f, size, mmap.RDONLY, 0, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	return &Memory{m: m, name: f.Name()}, nil
}

// Bytes is the mapped memory. It must not be touched after Unmap, nor after [Memory.Shrink] beyond
// what that keeps.
func (m *Memory) Bytes() []byte { return m.m }

// Unmap ends the mapping.
func (m *Memory) Unmap() error { return m.m.Unmap() }
