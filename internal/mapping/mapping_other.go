//go:build !linux

package mapping

import (
	"io/fs"
	"os"
)

// DirEnv names the environment variable that replaces the default directory.
const DirEnv = "SHMKIT_DIR"

// Memory is a mapped file.
type Memory struct{}

// Unnamed is a new file without a name.
type Unnamed struct{ File *os.File }

// Bytes is nil here.
func (m *Memory) Bytes() []byte { return nil }

// Blank fails here.
func (m *Memory) Blank(int, int, func([]byte, int)) error { return ErrUnsupported }

// Scratch fails here.
func Scratch(int) (*Memory, error) { return nil, ErrUnsupported }

// Shrink fails here.
func (m *Memory) Shrink(int) error { return ErrUnsupported }

// Unmap fails here.
func (m *Memory) Unmap() error { return ErrUnsupported }

// Discard does nothing here.
func (u *Unnamed) Discard() {}

// LinkTo fails here.
func (u *Unnamed) LinkTo(string) error { return ErrUnsupported }

// OpenExisting fails here.
func OpenExisting(string) (*os.File, error) { return nil, ErrUnsupported }

// CheckInPlace finds nothing here.
func CheckInPlace(*os.File, bool) error { return nil }

// OpenToRead fails here.
func OpenToRead(string) (*os.File, error) { return nil, ErrUnsupported }

// Stat fails here.
func Stat(*os.File) (Status, error) { return Status{}, ErrUnsupported }

// CreateUnnamed fails here.
func CreateUnnamed(string, int64) (*Unnamed, error) { return nil, ErrUnsupported }

// CreateTemporary fails here.
func CreateTemporary(string, int64) (*Unnamed, error) { return nil, ErrUnsupported }

// SetAccess fails here.
func SetAccess(*os.File, fs.FileMode, int) error { return ErrUnsupported }

// Map fails here.
func Map(*os.File, int) (*Memory, error) { return nil, ErrUnsupported }

// MapReadOnly fails here.
func MapReadOnly(*os.File, int) (*Memory, error) { return nil, ErrUnsupported }

// Anonymous fails here.
func Anonymous(string, int64) (*os.File, error) { return nil, ErrUnsupported }

// Reopen fails here.
func Reopen(*os.File) (*os.File, error) { return nil, ErrUnsupported }

// ReopenToRead fails here.
func ReopenToRead(*os.File) (*os.File, error) { return nil, ErrUnsupported }

// HolesCost finds nothing here.
func HolesCost(*os.File) bool { return false }

// OpenOtherToRead fails here.
func OpenOtherToRead(int, int) (*os.File, error) { return nil, ErrUnsupported }

// OpenOther fails here.
func OpenOther(int, int) (*os.File, error) { return nil, ErrUnsupported }

// Reserve fails here.
func Reserve(*os.File, int64, int64) error { return ErrUnsupported }

// Refill fails here.
func Refill(*os.File, int64, int64) error { return ErrUnsupported }

// Holes finds none here.
func Holes(*os.File, int64, int64, int64) int64 { return 0 }

// TryLockByte fails here.
func TryLockByte(*os.File, int64) (bool, error) { return false, ErrUnsupported }

// ShareByte fails here.
func ShareByte(*os.File, int64) (bool, error) { return false, ErrUnsupported }

// LockByte fails here.
func LockByte(*os.File, int64) error { return ErrUnsupported }

// UnlockByte fails here.
func UnlockByte(*os.File, int64) error { return ErrUnsupported }

// ByteLocked fails here.
func ByteLocked(*os.File, int64) (bool, error) { return false, ErrUnsupported }

// TryLockFile fails on this system.
func TryLockFile(*os.File) (bool, error) { return false, ErrUnsupported }

// UserDirPath fails here.
func UserDirPath() (string, error) { return "", ErrUnsupported }

// UserDir fails here.
func UserDir() (string, error) { return "", ErrUnsupported }

// BootID is zero here.
func BootID() [16]byte { return [16]byte{} }
