package mapping

import (
	"io/fs"
	"os"

	"github.com/edsrzf/mmap-go"
	"golang.org/x/sys/unix"
)

// Memory is a mapped file. It stays where it is until Unmap.
type Memory struct {
	m mmap.MMap
}

// Map maps the first size bytes of f for reading and writing, shared with
// everybody else who maps the file.
func Map(f *os.File, size int) (*Memory, error) {
	m, err := mmap.MapRegion(f, size, mmap.RDWR, 0, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "map", Path: f.Name(), Err: err}
	}
	return &Memory{m: m}, nil
}

// Bytes is the mapped memory. It must not be touched after Unmap.
func (m *Memory) Bytes() []byte { return m.m }

// Unmap ends the mapping.
func (m *Memory) Unmap() error { return m.m.Unmap() }

// maxNameBytes is how long the kernel lets the name of an anonymous file be.
const maxNameBytes = 249

// Anonymous makes a file of size bytes that has no name and whose size nobody
// can change. It ends with its last descriptor and mapping. The name is for people, and cut when it is long.
func Anonymous(name string, size int64) (*os.File, error) {
	name = name[:min(len(name), maxNameBytes)]
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING
	fd, err := unix.MemfdCreate(name, flags|unix.MFD_NOEXEC_SEAL) // some systems demand it
	if err == unix.EINVAL {
		fd, err = unix.MemfdCreate(name, flags) // Linux before 6.3
	}
	if err != nil {
		return nil, &fs.PathError{Op: "create", Path: "memfd:" + name, Err: err}
	}
	f := os.NewFile(uintptr(fd), "memfd:"+name)
	err = f.Truncate(size)
	if err == nil {
		_, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
	}
	if err != nil {
		f.Close()
		return nil, &fs.PathError{Op: "seal", Path: "memfd:" + name, Err: err}
	}
	return f, nil
}
