//go:build linux

package segment

import (
	"runtime"
	"testing"

	"github.com/shmkit/shmkit/internal/mapping"
)

// A processor that segments were not made for gets an error from every constructor, and no wrong
// locks.
func TestOtherProcessorsAreRefused(t *testing.T) {
	s := fresh(t, small)
	for _, processor := range []string{"s390x", "ppc64le", "riscv64", "loong64", "386", "arm", "mips64"} {
		mapping.Processor = processor
		_, create := Create(freshPath(t), small)
		_, anonymous := Anonymous("test", small)
		_, open := Open(s.Path())
		_, openFile := OpenFile(s.File())
		mapping.Processor = runtime.GOARCH
		for _, err := range []error{create, anonymous, open, openFile} {
			wantError(t, err, mapping.ErrUnsupported, processor, "amd64", "arm64")
		}
	}
}
