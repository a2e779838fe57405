package ring

import "unsafe"

// firstWord is the word that mem begins with.
func firstWord(mem []byte) uint64 {
	_ = mem[7]
	return *(*uint64)(unsafe.Pointer(unsafe.SliceData(mem)))
}
