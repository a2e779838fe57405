//go:build linux

package segment

import (
	"errors"
	"io/fs"
	"strconv"
	"sync"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// growing is a segment that begins with little space of its own, and can have many times that.
var growing = Config{Size: 8 << 20, Objects: 64, Processes: 64}

// grower: PATH N. It makes N segments there, one after the other. In each it makes and removes
// objects for which the segment grows at once to many times the space that it has begun with.
var roleGrower = proctest.Register("grower", func(args []string) {
	rounds, err := strconv.Atoi(args[1])
	must(err)
	for range rounds {
		s, err := Create(args[0], growing)
		must(err)
		for size := int64(1 << 20); size < growing.Size/2; size *= 2 {
			_, _, err = s.New(rawSpec("object", size))
			must(err)
			must(s.Remove("object"))
		}
		must(s.Unlink())
		must(s.Close())
	}
})

// A segment can be opened at any time, also while another process makes it grow.
func TestOpenWhileItGrows(t *testing.T) {
	rounds := 500
	if testing.Short() {
		rounds = 100
	}
	path := freshPath(t)
	grower := proctest.Start(t, roleGrower, path, strconv.Itoa(rounds))
	var wg sync.WaitGroup
	for range 16 { // many, so that some are halted in the middle
		wg.Go(func() {
			for !grower.Ended() {
				s, err := Open(path)
				switch {
				case err == nil:
					s.Close()
				case !errors.Is(err, fs.ErrNotExist):
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	grower.WaitOK()
}
