// Package owned is what the objects have in common that own blocks of the heap besides their own:
// how a lock of such an object is taken and given back, and how a block changes hands so that no
// death leaks it.
package owned
