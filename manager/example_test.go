package manager_test

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/manager"
)

// words counts words in a map, which cannot lie in shared memory.
type words struct{ seen map[string]int }

func (w *words) add(_ context.Context, word string) (int, error) {
	w.seen[word]++
	return w.seen[word], nil
}

var (
	wordsType = manager.Define("example/words", func(context.Context, struct{}) (*words, error) {
		return &words{map[string]int{}}, nil
	}, manager.Exclusive())
	addWord = manager.Method(wordsType, "add", (*words).add)
)

// A manager in a process of its own keeps an object, of which this process calls a method.
func Example() {
	ctx := context.Background()
	m, err := manager.Start(ctx, manager.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	w, err := wordsType.New(ctx, m, struct{}{})
	if err != nil {
		log.Fatal(err)
	}
	defer w.Close()
	for _, word := range []string{"tea", "salt", "tea"} {
		n, err := addWord.Call(ctx, w, word)
		fmt.Println(word, n, err)
	}
	// Output:
	// tea 1 <nil>
	// salt 1 <nil>
	// tea 2 <nil>
}
