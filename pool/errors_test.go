package pool

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/guard"
	"github.com/shmkit/shmkit/internal/task"
	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
)

var (
	errFound    = errors.New("found")
	errNotFound = errors.New("not found")
)

func init() {
	RegisterError("pool_test.errFound", errFound)
	RegisterError("pool_test.errNotFound", errNotFound)
}

// sent is err as it comes out of another process.
func sent(t testing.TB, kind uint32, err error) error {
	t.Helper()
	b, encodeErr := wire.Encode(task.FailureOf(err))
	if encodeErr != nil {
		t.Fatal(encodeErr)
	}
	var f task.Failure
	if err := wire.Decode(b, &f); err != nil {
		t.Fatal(err)
	}
	return errorFrom("job", kind, f)
}

// Registered errors are found wherever they are in the tree of an error, and no others.
func TestRegisteredErrorsSurvive(t *testing.T) {
	_, statErr := os.Stat("/nowhere/at/all")
	for _, test := range []struct {
		err  error
		want []error
	}{
		{errFound, []error{errFound}},
		{fmt.Errorf("look it up: %w", fmt.Errorf("in the table: %w", errNotFound)), []error{errNotFound}},
		{errors.Join(errors.New("other"), fmt.Errorf("%w and %w", io.EOF, errors.Join(errFound, context.Canceled))), []error{io.EOF, errFound, context.Canceled}},
		{statErr, []error{fs.ErrNotExist}},
		{&DeadlineError{Task: "inner"}, []error{context.DeadlineExceeded}},
		{fmt.Errorf("lock: %w", shmsync.ErrOwnerDied), []error{shmsync.ErrOwnerDied}},
		{fmt.Errorf("open: %w", shm.ErrCorrupt), []error{shm.ErrCorrupt}},
		{fmt.Errorf("%w", ErrClosed), []error{ErrClosed, fs.ErrClosed}},
		{&TaskError{Text: "inner", registered: []error{errFound}}, []error{errFound}},
		{errors.New("found"), nil}, // the same text is not the same error
	} {
		for kind, prefix := range map[uint32]string{task.KindError: "", task.KindFailed: `pool: task "job": `} {
			err := sent(t, kind, test.err)
			if err.Error() != prefix+test.err.Error() {
				t.Errorf("%q becomes %q", test.err, err)
			}
			for name, known := range task.RegisteredErrors() {
				if errors.Is(err, known) != slices.Contains(test.want, known) {
					t.Errorf("%q is %s: %v", err, name, errors.Is(err, known))
				}
			}
		}
		var te *TaskError
		if !errors.As(sent(t, task.KindError, test.err), &te) || te.Task != "job" {
			t.Errorf("%#v", te)
		}
	}
}

// A name that this process does not know is left out, and the text is there all the same.
func TestUnknownSentinel(t *testing.T) {
	err := errorFrom("job", task.KindError, task.Failure{Text: "odd", Registered: []string{"nobody's", "io.EOF"}})
	if err.Error() != "odd" || !errors.Is(err, io.EOF) || len(err.(*TaskError).registered) != 1 {
		t.Errorf("%#v", err)
	}
}

func TestRegisterErrorMisuse(t *testing.T) {
	mustPanic(t, func() { RegisterError("", errFound) }, "pool.RegisterError", "empty")
	mustPanic(t, func() { RegisterError("nil", nil) }, "pool.RegisterError", `"nil"`)
	mustPanic(t, func() { RegisterError("io.EOF", errFound) }, "pool.RegisterError", `"io.EOF"`, "already")
	mustPanic(t, func() { RegisterError("pool_test.errFound", errFound) }, "already")
}

// A tracedError knows where it comes from.
type tracedError struct{ trace string }

func (e *tracedError) Error() string { return "traced" }

func (e *tracedError) Format(f fmt.State, verb rune) {
	io.WriteString(f, "traced")
	if verb == 'v' && f.Flag('+') {
		io.WriteString(f, "\n"+e.trace)
	}
}

func TestStackOfAnError(t *testing.T) {
	const trace = "main.main\n\tmain.go:12"
	stackOf := func(err error) string {
		t.Helper()
		return sent(t, task.KindError, err).(*TaskError).Stack
	}
	if s := stackOf(errFound); !strings.Contains(s, "goroutine ") || !strings.Contains(s, "TestStackOfAnError") {
		t.Errorf("%q", s)
	}
	for _, err := range []error{
		&tracedError{trace}, fmt.Errorf("job: %w", &tracedError{trace}), errors.Join(errFound, fmt.Errorf("job: %w", &tracedError{trace})),
		&TaskError{Text: "inner", Stack: trace}, fmt.Errorf("inner: %w", &PanicError{Value: "boom", Stack: trace}),
	} {
		if s := strings.TrimPrefix(stackOf(err), "traced\n"); s != trace {
			t.Errorf("%v: %q", err, s)
		}
	}
	if s := stackOf(&tracedError{strings.Repeat("x", 1<<20)}); len(s) != guard.MaxStack {
		t.Errorf("a stack of %d bytes", len(s))
	}
}

// A nilError panics in every method when it is nil, as a pointer that was returned by mistake does.
type nilError struct{ text string }

func (e *nilError) Error() string   { return e.text }
func (e *nilError) Unwrap() error   { return errors.New(e.text) }
func (e *nilError) Is(_ error) bool { return e.text != "" }

// An error with methods that panic does no harm to its worker.
func TestErrorThatPanics(t *testing.T) {
	err := sent(t, task.KindError, (*nilError)(nil))
	if !strings.HasPrefix(err.Error(), "!PANIC: ") || err.(*TaskError).registered != nil {
		t.Errorf("%#v", err)
	}
}

func TestErrorTexts(t *testing.T) {
	for want, err := range map[string]error{
		//clock: it is printed only
		`pool: task "job" ran for longer than 2s: its worker was killed`: &DeadlineError{Task: "job", Limit: 2 * time.Second},
		`pool: task "job" panicked: boom`:                                sent(t, task.KindPanic, errors.New("boom")),
		`pool: task "job": its worker died (3 times, the last was Worker-2, pid 12, signal: killed): last words`: &WorkerDiedError{
			Task: "job", Attempts: 3, Worker: "Worker-2", PID: 12, ExitCode: -9, Signal: "killed", Stderr: "first\nlast words\n"},
		`pool: task "job": its worker died (once, it was pid 12, exit code 3)`: &WorkerDiedError{Task: "job", Attempts: 1, PID: 12, ExitCode: 3},
	} {
		if err.Error() != want {
			t.Errorf("got  %s\nwant %s", err, want)
		}
	}
	if !errors.Is(&DeadlineError{}, context.DeadlineExceeded) || errors.Is(&DeadlineError{}, context.Canceled) {
		t.Error("what a DeadlineError is")
	}
}

func BenchmarkFailureOf(b *testing.B) {
	err := fmt.Errorf("job: %w", io.EOF)
	b.ReportAllocs()
	for b.Loop() {
		task.FailureOf(err)
	}
}
