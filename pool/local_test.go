package pool_test

import (
	"context"
	"testing"

	"github.com/shmkit/shmkit/pool"
)

func TestLocal(t *testing.T) {
	p, err := pool.NewLocal(context.Background(), pool.Options{Workers: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for i := range int64(1000) {
		if n, err := pool.Apply(t.Context(), p, square, i); err != nil || n != i*i {
			t.Fatalf("%d: %d, %v", i, n, err)
		}
	}
	sum := int64(0)
	for n, err := range pool.IMapUnordered(t.Context(), p, square, numbers(1000)) {
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
}
