package pool_test

import (
	"context"
	"fmt"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/shmkit/shmkit/pool"
)

// Replacer is costly to make, so that each worker makes one, before its first task.
var Replacer = pool.DefineResource("replacer", func(context.Context, struct{}) (*strings.Replacer, func() error, error) {
	closer := func() error { return nil } // called when the worker ends
	return strings.NewReplacer("ä", "ae", "ö", "oe", "ü", "ue", "ß", "ss"), closer, nil
})

var Spell = pool.Define("spell", func(ctx context.Context, word string) (string, error) {
	return Replacer.Get(ctx).Replace(word), nil
})

func ExampleDefineResource() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 2, Resources: []pool.AnyResource{Replacer}})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	words, err := pool.Map(ctx, p, Spell, []string{"Füße", "schön"})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(words)
	// Output: [Fuesse schoen]
}

// Greeter is opened with the greeting that the pool gives it.
var Greeter = pool.DefineResource("greeter", func(_ context.Context, greeting string) (string, func() error, error) {
	return greeting + ", %s!", nil, nil
})

var Greet = pool.Define("greet", func(ctx context.Context, name string) (string, error) {
	return fmt.Sprintf(Greeter.Get(ctx), name), nil
})

func ExampleResource_With() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1, Resources: []pool.AnyResource{Greeter.With("Good morning")}})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	fmt.Println(pool.Apply(ctx, p, Greet, "Ada"))
	// Output: Good morning, Ada! <nil>
}

// Report writes a file, which its worker removes when it ends.
var Report = pool.Define("report", func(ctx context.Context, line string) (string, error) {
	f, err := os.CreateTemp("", "report")
	if err != nil {
		return "", err
	}
	defer f.Close()
	pool.Finalize(ctx, 0, "report", func() error { return os.Remove(f.Name()) })
	_, err = fmt.Fprintln(f, line)
	return f.Name(), err
})

func ExampleFinalize() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1})
	if err != nil {
		log.Fatal(err)
	}
	file, err := pool.Apply(ctx, p, Report, "all is well")
	if err != nil {
		log.Fatal(err)
	}
	_, err = os.Stat(file)
	fmt.Println("while the worker lives:", err)
	if err := p.Close(); err != nil {
		log.Fatal(err)
	}
	_, err = os.Stat(file)
	fmt.Println("when it has ended, the file is gone:", os.IsNotExist(err))
	// Output:
	// while the worker lives: <nil>
	// when it has ended, the file is gone: true
}

// What happens in a pool. LogTo takes any handler; LogToStderr is enough as a rule, or
// SHMKIT_LOG=INFO in the environment.
func ExampleLogToStderr() {
	// In a program: pool.LogToStderr(slog.LevelInfo), first of all. Here standard output takes its
	// place, without what differs from run to run.
	pool.LogTo(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey || a.Key == "pid" || a.Key == "before" {
			return slog.Attr{}
		}
		return a
	}}))
	defer pool.LogTo(nil)
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 1, Attempts: 1})
	if err != nil {
		log.Fatal(err)
	}
	pool.Apply(ctx, p, Exit, 3)
	pool.Apply(ctx, p, Cube, 3)
	if err := p.Close(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// level=INFO msg="worker started" process=main worker=Worker-1
	// level=ERROR msg="task quarantined: it kills its workers" process=main task=exit kills=1
	// level=WARN msg="worker died" process=main worker=Worker-1 code=3 signal=""
	// level=INFO msg="worker replaced" process=main worker=Worker-1
	// level=INFO msg="worker ended" process=main worker=Worker-1 reason=closed
	// level=INFO msg="pool closed" process=main
}

// Exit ends its worker.
var Exit = pool.Define("exit", func(_ context.Context, code int64) (int64, error) {
	os.Exit(int(code))
	return 0, nil
})
