package proctest

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"

	"go.uber.org/goleak"
)

// roleEnv names the role that the test binary shall run instead of the tests.
const roleEnv = "SHMKIT_TEST_ROLE"

var (
	roles = map[string]func(args []string){} // written by init functions only
	// set by Main; without it a child would run all the tests again
	mainRuns bool
)

// Register makes f the code of a role and returns the role's name. Call it from a package variable
// or an init function of a test file. f gets the arguments that the child was started with; when it
// returns the child exits with status 0. Register panics when the role exists already.
func Register(role string, f func(args []string)) string {
	if _, ok := roles[role]; ok {
		panic("proctest.Register: there are two roles " + role)
	}
	roles[role] = f
	return role
}

// Option changes what [Main] checks.
type Option func(*checks)

// Leaks has [Main] fail, too, when goroutines are left. ignore names those which a package keeps on
// purpose.
func Leaks(ignore ...goleak.Option) Option {
	return func(c *checks) {
		c.goroutines = true
		c.ignore = append(c.ignore, ignore...)
	}
}

// Main is the whole of a package's TestMain. It runs the tests, or the role in a child, and exits.
// When the tests pass it looks for what they left behind and fails if there is anything: a child
// process, running or not waited for; a file descriptor; a directory of [Dir].
func Main(m *testing.M, options ...Option) {
	if role, ok := os.LookupEnv(roleEnv); ok {
		confineAnew()
		run(role)
	}
	mainRuns = true
	heedSignals()
	c := newChecks(options)
	code := m.Run()
	if code == 0 {
		for _, left := range c.leftovers() {
			fmt.Fprintln(os.Stderr, "proctest: the tests left", left)
			code = 1
		}
	}
	os.Exit(code)
}

// heedSignals lets children heed the signals of a terminal where this process was told to ignore
// them, as a shell tells what it runs in the background: an ignored signal is inherited, a handled
// one is not. This process goes on ignoring them.
func heedSignals() {
	for _, s := range []os.Signal{syscall.SIGHUP, syscall.SIGINT} {
		if signal.Ignored(s) {
			signal.Notify(make(chan os.Signal, 1), s)
		}
	}
}

// run is the life of a child.
func run(role string) {
	f, ok := roles[role]
	if !ok {
		fmt.Fprintf(os.Stderr, "proctest: unknown role %q\n", role)
		os.Exit(2)
	}
	os.Unsetenv(roleEnv) // what the role starts is its own affair
	f(os.Args[1:])
	os.Exit(0)
}
