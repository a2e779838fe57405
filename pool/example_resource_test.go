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
var Replacer = pool.DefineResource("replacer", func(context.Context) (*strings.Replacer, func() error, error) {
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

// What happens in a pool. LogTo takes any handler; LogToStderr is enough as a rule, or SHMKIT_LOG=INFO in the environment.
func ExampleLogToStderr() {
	// In a program: pool.LogToStderr(slog.LevelInfo), first of all. Here standard output takes its place, without what
	// differs from run to run.
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
