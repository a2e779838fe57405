package race

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

// detectorExit is the exit status of a program that the detector found a race in.
const detectorExit = 66

func TestDetectorFollowsShadow(t *testing.T) {
	program := buildWithDetector(t)
	for _, c := range []struct {
		scene string
		race  bool
	}{
		{"spinlock", false},
		{"spinlock-bare", true}, // the detector is awake, and blind without the annotations
		{"readers", false},
		{"readers-unmerged", true}, // why ReleaseMerge exists
	} {
		t.Run(c.scene, func(t *testing.T) {
			cmd := exec.Command(program, c.scene)
			cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
			out, err := cmd.CombinedOutput()
			status := 0
			if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
				status = exit.ExitCode()
			} else if err != nil {
				t.Fatal(err)
			}
			want := 0
			if c.race {
				want = detectorExit
			}
			if status != want || bytes.Contains(out, []byte("DATA RACE")) != c.race {
				t.Errorf("exit status %d, want %d; output:\n%s", status, want, out)
			}
			if !bytes.Contains(out, []byte("value 2000 detector true")) {
				t.Errorf("the lock did not exclude, or the build has no detector; output:\n%s", out)
			}
		})
	}
}

// buildWithDetector builds testdata/mapped with -race and returns the path of the program.
func buildWithDetector(t *testing.T) string {
	t.Helper()
	cc, err := exec.Command("go", "env", "CC").Output()
	if err != nil {
		t.Fatal("go env CC: ", err)
	}
	compiler := strings.Fields(string(cc))
	if len(compiler) == 0 {
		t.Skip("not run: -race needs cgo, and no C compiler is set")
	}
	if _, err := exec.LookPath(compiler[0]); err != nil {
		t.Skipf("not run: -race needs cgo, and there is no C compiler: %v", err)
	}
	program := filepath.Join(t.TempDir(), "mapped")
	build := exec.Command("go", "build", "-race", "-o", program, "./testdata/mapped")
	build.Env = append(os.Environ(), "CGO_ENABLED=1")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build with -race: %v\n%s", err, out)
	}
	return program
}

func TestShadowIsFreeWithoutDetector(t *testing.T) {
	var s Shadow
	if size := unsafe.Sizeof(s); (size == 0) == Enabled {
		t.Errorf("a Shadow has %d bytes with Enabled %v", size, Enabled)
	}
	if n := testing.AllocsPerRun(100, func() { s.Acquire(); s.Release(); s.ReleaseMerge() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
