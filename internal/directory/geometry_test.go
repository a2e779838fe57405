package directory

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"
)

// Every constructor of a size in bytes or a number reaches exactly what it promised.
func TestPlanIsExact(t *testing.T) {
	g, err := Plan(0, 100000, 256)
	if err != nil {
		t.Fatal(err)
	}
	if g.MaxObjects != 1<<17 || g.Slots != 256 || g.Size != DefaultSize || g.Heap >= g.Size {
		t.Errorf("%+v", g)
	}
	least := g.Heap + minHeap
	if _, err := Plan(int64(least), 100000, 256); err != nil {
		t.Errorf("%d bytes: %v", least, err)
	}
	_, err = Plan(int64(least)-PageBytes, 100000, 256)
	if want := fmt.Sprintf("at least %d are needed", least); !errors.Is(err, fs.ErrInvalid) || !strings.Contains(err.Error(), want) {
		t.Errorf("%v: want %v that says %q", err, fs.ErrInvalid, want)
	}
}
