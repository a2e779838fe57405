package describe

import "github.com/shmkit/shmkit/internal/elem"

// Elements makes those of n elements of size bytes the value that are wanted. Read copies elements
// that lie side by side.
//
// Errors: those of read.
func (v *View) Elements(n, size uint64, read func(low, n uint64) ([]byte, error), t *elem.Layout) error {
	low := min(uint64(max(v.Want.From, 0)), n)
	wanted := min(n-low, uint64(max(v.Want.Elements, 0)))
	fits := min(wanted, uint64(max(v.budget-steadyReads, 0))/size)
	v.Cut = low+fits < n
	mem, err := read(low, fits)
	if err != nil {
		return err
	}
	all := make([]any, 0, fits)
	for i := range fits {
		one, err := t.Value(mem[i*size:])
		if err != nil {
			return err
		}
		all = append(all, one)
	}
	if low > 0 {
		v.Set("from", low)
	}
	v.Value = all
	return nil
}

// steadyReads is how many bytes a reader of elements may need beside them.
const steadyReads = 4096
