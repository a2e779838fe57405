//go:build linux

package mapping

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// File systems that copy on write put what is written to a page elsewhere, and need space for it
// although the page is real: in a full one a store into mapped memory is a SIGBUS.

const (
	zfsMagic  = 0x2fc12fc1
	noCopy    = 0x00800000 // FS_NOCOW_FL: the attribute C of chattr
	geometryX = 0x8100587e // XFS_IOC_FSGEOMETRY
	reflinkX  = 1 << 20    // XFS_FSOP_GEOM_FLAGS_REFLINK
)

// geometryOfXFS is struct xfs_fsop_geom.
type geometryOfXFS struct {
	_     [92]byte
	flags uint32
	_     [160]byte
}

// The layout is the kernel's.
var _ = [1]struct{}{}[unsafe.Sizeof(geometryOfXFS{})-256]

// writeInPlace has the new, empty file f written in place, if the file system has an attribute for
// that.
func writeInPlace(f *os.File) {
	if fileSystem(f) != unix.BTRFS_SUPER_MAGIC {
		return
	}
	// Whether it has helped is for CheckInPlace to find out.
	_ = control(f, func(fd int) error {
		flags, err := unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
		if err != nil {
			return err
		}
		return unix.IoctlSetPointerInt(fd, unix.FS_IOC_SETFLAGS, int(flags|noCopy))
	})
}

// CheckInPlace returns an error if a full file system could crash a process that writes to f,
// although its bytes are reserved. On XFS that is so when files can share blocks, as a copy that cp
// makes does with the original, and f has a name by which it can be copied.
//
// Errors: [ErrCopyOnWrite], with the name of the file system.
func CheckInPlace(f *os.File, named bool) error {
	switch fileSystem(f) {
	case unix.BTRFS_SUPER_MAGIC:
		var flags uint32
		err := control(f, func(fd int) (err error) {
			flags, err = unix.IoctlGetUint32(fd, unix.FS_IOC_GETFLAGS)
			return err
		})
		if err != nil || flags&noCopy == 0 {
			return copyOnWrite(f, "btrfs", "it was not made by this version, or chattr +C is refused there")
		}
	case unix.BCACHEFS_SUPER_MAGIC:
		return copyOnWrite(f, "bcachefs", "no attribute turns that off for certain")
	case zfsMagic:
		return copyOnWrite(f, "ZFS", "no attribute turns that off")
	case unix.XFS_SUPER_MAGIC:
		if named && sharesBlocks(f) {
			return copyOnWrite(f, "XFS with reflinks", "a copy that cp makes shares blocks with the original")
		}
	}
	return nil
}

func copyOnWrite(f *os.File, kind, detail string) error {
	return fmt.Errorf("%s: is on %s (%s): choose a directory in memory, or on ext4: %w", f.Name(), kind, detail, ErrCopyOnWrite)
}

// fileSystem is the magic number of the file system of f, 0 when that is not known.
func fileSystem(f *os.File) uint32 {
	var st unix.Statfs_t
	if err := control(f, func(fd int) error { return unix.Fstatfs(fd, &st) }); err != nil {
		return 0
	}
	return uint32(st.Type)
}

// sharesBlocks reports whether files of the XFS that f is on can share blocks.
func sharesBlocks(f *os.File) bool {
	var g geometryOfXFS
	err := control(f, func(fd int) error {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), geometryX, uintptr(unsafe.Pointer(&g)))
		if errno != 0 {
			return errno
		}
		return nil
	})
	return err != nil && !errors.Is(err, fs.ErrClosed) || g.flags&reflinkX != 0
}
