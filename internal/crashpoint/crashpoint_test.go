package crashpoint_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/crashpoint"
	"github.com/shmkit/shmkit/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m, proctest.Leaks()) }

func TestOnlyTaggedBuildsHavePoints(t *testing.T) {
	for _, c := range []struct {
		tags string
		want bool
	}{{"", false}, {"crashtest", true}} {
		program := filepath.Join(t.TempDir(), "marked")
		build := exec.Command("go", "build", "-tags="+c.tags, "-o", program, "./testdata/marked")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		binary, err := os.ReadFile(program)
		if err != nil {
			t.Fatal(err)
		}
		if got := bytes.Contains(binary, []byte("marked.by.this.unlikely.name")); got != c.want {
			t.Errorf("tags %q: the name of the point is in the program: %v", c.tags, got)
		}
	}
}

func BenchmarkHere(b *testing.B) {
	for b.Loop() {
		crashpoint.Here("bench")
	}
}
