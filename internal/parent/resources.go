package parent

import (
	"fmt"

	"github.com/shmkit/shmkit/internal/worker"
)

// argumentBytes is how much room in a segment the arguments of resources take, about.
func argumentBytes(rs []worker.BoundResource) (n int64) {
	for _, r := range rs {
		n += int64(len(r.Arg)) + int64(len(r.Arg))/16 + 1<<10
	}
	return n
}

// configureResources puts the arguments of resources where workers find them.
//
// Errors: no room for them.
func (p *Pool) configureResources(rs []worker.BoundResource) ([]worker.ResourceConfig, error) {
	var configs []worker.ResourceConfig
	for _, r := range rs {
		c := worker.ResourceConfig{Name: r.Of.Name, Size: len(r.Arg)}
		if c.Size > 0 {
			block, mem, err := p.table.Mem.AllocDirty(c.Size)
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
