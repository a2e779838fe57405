package cluster

import (
	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/task"
)

// known are the tasks of this program.
func known() (all []wire.Signature) {
	for _, t := range task.All() {
		all = append(all, wire.Signature{Name: t.Name, Hash: t.Signature()})
	}
	return all
}
