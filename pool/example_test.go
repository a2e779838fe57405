package pool_test

import (
	"context"
	"fmt"
	"log"
	"slices"

	"github.com/shmkit/shmkit/pool"
)

// Cube is defined at package level, so that workers know it, too.
var Cube = pool.Define("cube", func(_ context.Context, n int64) (int64, error) { return n * n * n, nil })

// In a program, pool.Main is called first in main; in this test binary, first in TestMain.
func Example() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	cubes, err := pool.Map(ctx, p, Cube, []int64{1, 2, 3})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(cubes)
	// Output: [1 8 27]
}

func ExampleIMap() {
	ctx := context.Background()
	p, err := pool.New(ctx, pool.Options{Workers: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer p.Close()
	for cube, err := range pool.IMap(ctx, p, Cube, slices.Values([]int64{4, 5})) {
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(cube)
	}
	// Output:
	// 64
	// 125
}
