//go:build linux

package proctab

import (
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// robustHead is the kernel's struct robust_list_head. The kernel reads it, and
// the chain of nodes behind it, when the thread that registered it ends.
type robustHead struct {
	next    uint64 // address of the first node, or of this field: the end
	offset  int64  // from a node to its futex word
	pending uint64 // address of a node that is being linked or unlinked, or 0
}

// address of this head as the end of its own list.
func (h *robustHead) end() uint64 { return uint64(uintptr(unsafe.Pointer(h))) }

// register hands the head to the kernel for the calling thread.
func (h *robustHead) register() bool {
	h.offset = -nodeOffset
	h.next = h.end()
	_, _, errno := syscall.RawSyscall(unix.SYS_SET_ROBUST_LIST, uintptr(unsafe.Pointer(h)), unsafe.Sizeof(*h), 0)
	return errno == 0
}

// node is the address of the slot's node, as the kernel wants it.
func (s *slot) node() uint64 { return uint64(uintptr(unsafe.Pointer(&s.next))) }

// setNext and the like are atomic, because the kernel may read at any moment: when the process is
// killed.
func (s *slot) setNext(addr uint64)          { s.next.Store(addr) }
func (h *robustHead) setNext(addr uint64)    { atomic.StoreUint64(&h.next, addr) }
func (h *robustHead) setPending(addr uint64) { atomic.StoreUint64(&h.pending, addr) }

func threadID() uint32 { return uint32(unix.Gettid()) }
