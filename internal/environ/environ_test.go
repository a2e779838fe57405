package environ

import (
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

// Orders are found whatever the program has done to its environment, until they are taken; settings
// are as the environment is.
func TestOrderOutlivesEnvironment(t *testing.T) {
	c := proctest.Command(t, clears)
	c.Cmd.Env = append(c.Cmd.Env, "SHMKIT_TEST_ORDER=march")
	c.Start()
	for _, want := range []string{"march true", " false", "march true", "march true", " false", " false"} {
		c.Expect(want)
	}
	c.WaitOK()
}

var clears = proctest.Register("clears", func([]string) {
	const key = "SHMKIT_TEST_ORDER"
	say := func(value string, ok bool) { proctest.Say("%s %v", value, ok) }
	say(Order(key))
	os.Clearenv()
	say(Lookup(key))
	say(Order(key))
	early = nil // as if the environment had been cleared before this package was initialised
	say(Take(key))
	say(Order(key))
	os.Setenv(key, "halt")
	say(Order(key))
})

// A program that runs with more rights than its caller takes neither settings nor orders.
func TestSecureTakesNoOrders(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root can make a program of another user")
	}
	path := copySelf(t)
	if err := os.Chown(path, 65534, -1); err != nil {
		t.Skip(err)
	}
	if err := os.Chmod(path, 0o755|os.ModeSetuid); err != nil {
		t.Fatal(err)
	}
	c := proctest.Command(t, obeys)
	c.Cmd.Path = path
	c.Cmd.Env = append(c.Cmd.Env, "SHMKIT_TEST_ORDER=march")
	c.Start()
	if line := c.Line(); line == "uid 0" {
		t.Skip("programs of other users run as the caller here")
	}
	c.Expect("true,  false,  false")
	c.WaitOK()
}

var obeys = proctest.Register("obeys", func([]string) {
	proctest.Say("uid %d", os.Geteuid())
	setting, isSet := Lookup("SHMKIT_TEST_ORDER")
	order, isOrder := Order("SHMKIT_TEST_ORDER")
	proctest.Say("%v, %s %v, %s %v", Secure(), setting, isSet, order, isOrder)
})

// copySelf returns the path of a copy of this program.
func copySelf(t *testing.T) string {
	t.Helper()
	from, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Skip(err)
	}
	defer from.Close()
	path := filepath.Join(t.TempDir(), "copy")
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := to.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}
