//go:build linux

package shm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"runtime/debug"
	"testing"
	"time"

	"github.com/edsrzf/mmap-go"
	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/lock"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
	"github.com/shmkit/shmkit/shm"
)

// A victim is the file of a segment with an object of every kind, and a second view of it through
// which the fuzz targets overwrite it, as a process could that has gone wild.
type victim struct {
	path  string
	f     *os.File
	mem   mmap.MMap
	image []byte // of the file as it should be
}

// newVictim makes the file. No process is attached to it when newVictim returns.
func newVictim(f testing.TB) *victim {
	return newVictimOf(f, func(seg *shm.Segment) {
		for _, k := range handleKinds {
			need(k.make(seg, k.name))
		}
	})
}

// newVictimOf is newVictim with other objects.
func newVictimOf(f testing.TB, fill func(seg *shm.Segment)) *victim {
	v := &victim{path: newPath(f)}
	seg := need(shm.Create(v.path, shm.Options{Size: victimBytes, Objects: 64, Processes: 4}))
	fill(seg)
	must(seg.Check())
	must(seg.Close())
	v.f = need(os.OpenFile(v.path, os.O_RDWR, 0))
	v.mem = need(mmap.Map(v.f, mmap.RDWR, 0))
	v.keep()
	proctest.Eventually(f, proctest.Hang, futex.Registered, "every input takes the same ways through the locks")
	f.Cleanup(func() {
		must(v.mem.Unmap())
		must(v.f.Close())
	})
	return v
}

// keep takes the file's bytes of this moment for right.
func (v *victim) keep() { v.image = append(v.image[:0], v.mem...) }

// restore makes the file again what it should be.
func (v *victim) restore() { copy(v.mem, v.image) }

// A step of a fuzz program first overwrites some bytes and then does an operation.
//
//	off  size  field
//	  0     1  operation
//	  1     1  argument
//	  2     1  bits 0..2 region, bits 3..4 log2 of the bytes to overwrite, bits 5..7 how
//	  3     2  where in the region
//	  5     8  value
//
// How: 0 and 6 write the value, 1 xors it, 2 and 3 add it, 4 copies from the place that it names, 5
// writes a telling word, 7 overwrites nothing; from 3 on the place is aligned.
type step []byte

const (
	stepBytes   = 13
	maxSteps    = 24
	victimBytes = 64 << 10
	heapStart   = 24576
)

// stepsIn takes the fuzzer's bytes apart.
func stepsIn(program []byte) (steps []step) {
	for len(program) >= stepBytes && len(steps) < maxSteps {
		steps = append(steps, program[:stepBytes:stepBytes])
		program = program[stepBytes:]
	}
	return steps
}

func (s step) argument() int { return int(s[1]) }

func (s step) value() uint64 { return binary.LittleEndian.Uint64(s[5:]) }

// The regions of a victim, in bytes: see the header of package segment.
var regions = [8][2]int{
	{128, 896}, // what changes in the header
	{0, 96},    // what does not
	{4096, 4096 + 4*64},
	{12288, 12288 + 64*4},
	{16384, 16384 + 16*128},
	{heapStart, heapStart + 4096},
	{8192, 8192 + 4*512}, // the board
	{0, victimBytes},
}

const (
	regionFixed = 1
	regionAll   = 7
)

func (s step) region() int { return int(s[2] & 7) }

func (s step) how() int { return int(s[2] >> 5) }

// target is where the step overwrites how many bytes.
func (s step) target() (off, width int) {
	r := regions[s.region()]
	width = 1 << (s[2] >> 3 & 3)
	off = r[0] + int(binary.LittleEndian.Uint16(s[3:]))%(r[1]-r[0]-width+1)
	if s.how() >= 3 {
		off &^= width - 1
	}
	return off, width
}

// overwrite does the first half of the step. Me is the owner id of the attachment that it shall
// confuse.
func (s step) overwrite(v *victim, me uint64) {
	how := s.how()
	if how == 7 {
		return
	}
	off, width := s.target()
	var old [8]byte
	copy(old[:], v.mem[off:])
	value := s.value()
	switch how {
	case 1:
		value ^= binary.LittleEndian.Uint64(old[:])
	case 2, 3:
		value += binary.LittleEndian.Uint64(old[:])
	case 4:
		from := int(value % (victimBytes - 8))
		value = binary.LittleEndian.Uint64(v.mem[from&^7:])
	case 5:
		value = telling(value, me)
	}
	var b [8]byte
	binary.LittleEndian.PutUint64(b[:], value)
	copy(v.mem[off:], b[:width])
}

// telling is a word that means something somewhere.
func telling(n, me uint64) uint64 {
	words := [...]uint64{
		0, 1, 2, 3, 4, 1<<62 - 1, 1 << 62, 1<<63 - 1, 1 << 63, ^uint64(0), 1<<31 - 1, 1 << 31, 1<<32 - 1, 1 << 32, 0x5555555555555555,
		// words of locks, tags
		me, me | 1<<30, me | 1<<31, me | 1<<32, 1<<30 - 1, 1 << 30, 1<<30 - 1 | 1<<31,
		// words of slots
		1<<10 | 3, 1<<10 | 3 | 1<<31, 1 << 40, 1<<32 | 1<<30, 1<<32 | 1<<31 | 1, 2<<32 | 1<<30 | 1<<62,
		// waits
		1 << 56, 1<<56 | 1, 1<<56 | 1<<32 | 2, 2<<56 | 2<<32 | 3, 255<<56 | 7, 1<<56 | 1<<55,
		// sizes, places
		64, 128, 65, 129, heapStart, heapStart + 128, victimBytes, victimBytes - 64, victimBytes - 32,
	}
	return words[n%uint64(len(words))]
}

// sign makes the checksum of the header right.
func (v *victim) sign() {
	sum := crc32.Checksum(v.mem[:92], crc32.MakeTable(crc32.Castagnoli))
	binary.NativeEndian.PutUint32(v.mem[92:], sum)
}

// known fails the test when err is not among those that the documentation allows.
func known(t testing.TB, what string, err error) {
	if err == nil {
		return
	}
	for _, e := range []error{shm.ErrCorrupt, context.Canceled, context.DeadlineExceeded, fs.ErrNotExist, shm.ErrMismatch, shm.ErrRemoved,
		shm.ErrFormat, shm.ErrClosed, shm.ErrTakenForDead, shm.ErrTooManyObjects, shm.ErrTooManyProcesses, lock.ErrLocked, fs.ErrInvalid, errRefused} {
		if errors.Is(err, e) {
			return
		}
	}
	var full *shm.NoSpaceError
	var held *shm.HeldError
	if !errors.As(err, &full) && !errors.As(err, &held) {
		t.Fatalf("%s: %v (%T)", what, err, err)
	}
}

// A watchdog ends the program, so that the fuzzer keeps the input, when one input takes much longer
// than it may.
type watchdog struct{ timer *time.Timer }

// watchTime is far more than any program of steps needs, on a machine with other work, too.
const watchTime = proctest.Hang

func newWatchdog(f testing.TB) watchdog {
	w := watchdog{time.AfterFunc(time.Hour, func() {
		debug.SetTraceback("all")
		panic(fmt.Sprintf("an input takes longer than %v", watchTime))
	})}
	f.Cleanup(func() { w.timer.Stop() })
	return w
}

func (w watchdog) start() { w.timer.Reset(watchTime) }
func (w watchdog) stop()  { w.timer.Stop() }

// over is a context that has ended: what would have to wait fails at once.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(background)
	cancel()
	return ctx
}()

// hurry makes an attachment wait for no process.
func hurry(seg *shm.Segment) *segment.Segment {
	s := segment.Of(seg)
	s.SetPatience(0, 0)
	return s
}

// seed adds programs that damage each region in several ways, the locks of the first objects while
// they are held, and those that a closing process seems to hold.
func seed(f *testing.F) {
	f.Add([]byte{})
	for region := range byte(8) {
		for _, how := range []byte{0, 2, 5} {
			s := step{region, region + how, region | 3<<3 | how<<5, 64, 0, 9, 0, 0, 0, 0, 0, 0, 0}
			f.Add([]byte(s))
			f.Add(append(append([]byte{}, s...), 9, 0, region|2<<3|how<<5, 4, 0, 255, 255, 255, 255, 255, 255, 255, 255))
		}
	}
	const nothing = 7 << 5
	for kind := range byte(4) {
		for line := range byte(20) {
			off := uint16(line) * 64
			use := []byte{0, kind, nothing, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0}
			f.Add(append(use, 0, kind, 5|2<<3|5<<5, byte(off), byte(off>>8), 9, 0, 0, 0, 0, 0, 0, 0))
			f.Add(append(use, opQuit, 0, 5|2<<3|5<<5, byte(off), byte(off>>8), 15, 0, 0, 0, 0, 0, 0, 0))
		}
	}
}
