package pool_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

// earlyEnv has a process end with that exit code before it gets to Main, openEnv while its resource
// early opens.
const (
	earlyEnv = "SHMKIT_TEST_EARLY"
	openEnv  = "SHMKIT_TEST_EARLY_OPEN"
)

func init() { endAs(earlyEnv) }

func endAs(key string) {
	if code, err := strconv.Atoi(os.Getenv(key)); err == nil {
		fmt.Fprintln(os.Stderr, "the last words")
		os.Exit(code)
	}
}

var earlyResource = pool.DefineResource("early", func(context.Context, struct{}) (int, func() error, error) {
	endAs(openEnv)
	return 0, nil, nil
})

// An exploder ends its process when it is decoded.
type exploder struct{ Code int }

func (e exploder) MarshalBinary() ([]byte, error) { return []byte{byte(e.Code)}, nil }
func (e *exploder) UnmarshalBinary(b []byte) error {
	os.Exit(int(b[0]))
	return nil
}

var takesExploder = pool.Define("takes exploder", func(context.Context, exploder) (int64, error) { return 0, nil })

// A process that ends before its first task is told with its exit code, its last words, and what it
// is. That the program has forgotten Main is said only of one that has run to its end without it.
func TestEarlyEndIsToldAsItIs(t *testing.T) {
	exe, err := os.Readlink("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	early := func(code string) pool.Options { return pool.Options{Env: []string{earlyEnv + "=" + code}} }
	opening := func(code string) pool.Options {
		return pool.Options{Env: []string{openEnv + "=" + code}, Resources: []pool.AnyResource{earlyResource}}
	}
	for name, c := range map[string]struct {
		options pool.Options
		noMain  bool
		says    []string
	}{
		"before Main":      {early("5"), false, []string{"exit code 5", "the last words", exe, "before it came to pool.Main"}},
		"before Main, 127": {early("127"), false, []string{"exit code 127", "the last words", exe}},
		"end without Main": {early("0"), true, []string{"exit code 0", exe}},
		"opening":          {opening("5"), false, []string{"exit code 5", "the last words", "before it took tasks"}},
		"opening, 0":       {opening("0"), false, []string{"exit code 0", "the last words", "before it took tasks"}},
	} {
		c.options.Workers, c.options.Stderr = 1, io.Discard
		_, err := pool.New(t.Context(), c.options)
		checkEarlyEnd(t, name, err, c.noMain, c.says)
	}
	for name, c := range map[string]struct {
		env    string
		noMain bool
		says   []string
	}{
		"process before Main":      {earlyEnv + "=5", false, []string{"exit code 5", exe}},
		"process end without Main": {earlyEnv + "=0", true, []string{"exit code 0", exe}},
	} {
		err := startError(t, await, "", process.Options{Env: []string{c.env}, Stderr: io.Discard})
		checkEarlyEnd(t, name, err, c.noMain, c.says)
	}
	for _, code := range []int{0, 5} {
		err := startError(t, takesExploder, exploder{code}, process.Options{})
		checkEarlyEnd(t, "decoding", err, false, []string{fmt.Sprint("exit code ", code)})
	}
}

func checkEarlyEnd(t *testing.T, name string, err error, noMain bool, says []string) {
	t.Helper()
	if err == nil || errors.Is(err, pool.ErrNoMain) != noMain {
		t.Errorf("%s: %v", name, err)
		return
	}
	for _, text := range says {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v does not say %q", name, err, text)
		}
	}
}
