package worker

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/segment"
)

// ArgumentBytes is how much room in a segment the arguments of resources take, about.
func ArgumentBytes(rs []BoundResource) (n int64) {
	for _, r := range rs {
		n += int64(len(r.Arg)) + int64(len(r.Arg))/16 + 1<<10
	}
	return n
}

// PlaceArguments puts the arguments of resources where workers find them.
//
// Errors: no room for them.
func PlaceArguments(in *segment.Segment, rs []BoundResource) ([]ResourceConfig, error) {
	var configs []ResourceConfig
	for _, r := range rs {
		c := ResourceConfig{Name: r.Of.Name, Size: len(r.Arg), Empty: r.Arg != nil && len(r.Arg) == 0}
		if c.Size > 0 {
			block, mem, err := in.AllocDirty(c.Size)
			if err != nil {
				return nil, fmt.Errorf("resource %q: room for an argument of %d bytes: %w", r.Of.Name, c.Size, err)
			}
			copy(mem, r.Arg)
			c.Block = block
		}
		configs = append(configs, c)
	}
	return configs, nil
}
