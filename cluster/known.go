package cluster

import "github.com/shmkit/shmkit/cluster/internal/wire"

// known are the tasks of this program.
func known() (all []wire.Signature) { return nil }
