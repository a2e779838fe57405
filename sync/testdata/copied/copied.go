// Package copied copies locks, which go vet has to notice.
package copied

import shmsync "github.com/shmkit/shmkit/sync"

func byValue(m shmsync.Mutex) {}

func assigned(m *shmsync.Mutex) {
	n := *m
	_ = &n
}
