// Custom has a manager keep an object of a type of the program. In Python:
//
//	from multiprocessing.managers import BaseManager
//
//	class MathsClass:
//	    def add(self, x, y):
//	        return x + y
//	    def mul(self, x, y):
//	        return x * y
//
//	class MyManager(BaseManager):
//	    pass
//
//	MyManager.register('Maths', MathsClass)
//
//	if __name__ == '__main__':
//	    with MyManager() as manager:
//	        maths = manager.Maths()
//	        print(maths.add(4, 3))
//	        print(maths.mul(7, 8))
package main

import (
	"context"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/manager"
	"github.com/shmkit/shmkit/pool"
)

type maths struct{}

func (*maths) add(_ context.Context, n [2]int64) (int64, error) { return n[0] + n[1], nil }
func (*maths) mul(_ context.Context, n [2]int64) (int64, error) { return n[0] * n[1], nil }

var (
	Maths = manager.Define("Maths", func(context.Context, struct{}) (*maths, error) { return &maths{}, nil })
	Add   = manager.Method(Maths, "add", (*maths).add)
	Mul   = manager.Method(Maths, "mul", (*maths).mul)
)

func main() {
	pool.Main()
	ctx := context.Background()
	m, err := manager.Start(ctx, manager.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	ref, err := Maths.New(ctx, m, struct{}{})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(Add.Call(ctx, ref, [2]int64{4, 3}))
	fmt.Println(Mul.Call(ctx, ref, [2]int64{7, 8}))
}
