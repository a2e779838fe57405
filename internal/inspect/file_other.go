//go:build !linux

package inspect

import (
	"io/fs"
	"os"
	"time"

	"github.com/shmkit/shmkit/internal/mapping"
)

// A File is a file that may be a segment. There are none on this system.
type File struct {
	Path string
	Stat Stat
}

// Stat is what the file system says of a file.
type Stat struct {
	Size, Real    int64
	Links         int
	UID, GID      uint32
	Mode          fs.FileMode
	Device, Inode uint64
	Modified      time.Time
}

// Open fails on this system.
func Open(string) (*File, error) { return nil, mapping.ErrUnsupported }

// OpenDescriptor fails on this system.
func OpenDescriptor(int, int, string) (*File, error) { return nil, mapping.ErrUnsupported }

// ReadAt fails on this system.
func (f *File) ReadAt([]byte, int64) (int, error) { return 0, mapping.ErrUnsupported }

// Close does nothing.
func (f *File) Close() error { return nil }

func (f *File) look() error           { return mapping.ErrUnsupported }
func (f *File) byteLocked(int64) bool { return false }

func me() int { return os.Geteuid() }
