package manager

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

// Two builds that differ in what they define call each other's methods as far as they agree, by
// name. What they do not agree on is an error that names both builds.
func TestTwoBuilds(t *testing.T) {
	dir := t.TempDir()
	if out, err := exec.Command("go", "build", "-o", dir, "./testdata/older", "./testdata/newer").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	address := proctest.Dir(t) + "/manager"
	newer := exec.Command(dir+"/newer", address)
	in, err := newer.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer newer.Wait()
	defer in.Close()
	said, err := newer.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := proctest.StartBound(newer); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(said).ReadString('\n'); line != "serves\n" {
		t.Fatalf("%q, error %v", line, err)
	}
	out, err := exec.Command(dir+"/older", address).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	for i, want := range []string{
		`type: true: `, `argument: true: `, "store: false: <nil>", `method: true: `, `types: true: `, "count 42: false: <nil>",
	} {
		if i >= len(lines) || !strings.HasPrefix(lines[i], want) {
			t.Fatalf("line %d of %q: want %q", i, lines, want)
		}
		if strings.Contains(want, "true") && (!strings.Contains(lines[i], "this program is github.com/shmkit/shmkit/manager/testdata/older ") ||
			!strings.Contains(lines[i], "the manager's is github.com/shmkit/shmkit/manager/testdata/newer ")) {
			t.Errorf("%q does not name both builds", lines[i])
		}
	}
}
