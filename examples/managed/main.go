// Managed shares a dict and a list on the heap of a manager with a child, which changes both. In
// Python:
//
//	from multiprocessing import Process, Manager
//
//	def f(d, l):
//	    d[1] = '1'
//	    d['2'] = 2
//	    d[0.25] = None
//	    l.reverse()
//
//	if __name__ == '__main__':
//	    with Manager() as manager:
//	        d = manager.dict()
//	        l = manager.list(range(10))
//	        p = Process(target=f, args=(d, l))
//	        p.start()
//	        p.join()
//	        print(d)
//	        print(l)
package main

import (
	"context"
	"errors"
	"fmt"
	"log"

	"github.com/shmkit/shmkit/manager"
	"github.com/shmkit/shmkit/pool"
	"github.com/shmkit/shmkit/process"
)

var (
	dicts = manager.DictOf[any, any]("dict")
	lists = manager.ListOf[int]("list")
)

var change = pool.Define("change", func(ctx context.Context, address string) (any, error) {
	m, err := manager.Dial(ctx, address, manager.Options{})
	if err != nil {
		return nil, err
	}
	d, noDict := dicts.Named(ctx, m, "d", nil)
	l, noList := lists.Named(ctx, m, "l", nil)
	return nil, errors.Join(noDict, noList, d.Set(ctx, 1, "1"), d.Set(ctx, "2", 2), d.Set(ctx, 0.25, nil), l.Reverse(ctx))
})

func main() {
	pool.Main()
	ctx := context.Background()
	m, err := manager.Start(ctx, manager.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer m.Close()
	d, noDict := dicts.Named(ctx, m, "d", nil)
	l, noList := lists.Named(ctx, m, "l", []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	p, noChild := process.Start(ctx, change, m.Address(), process.Options{})
	if err := errors.Join(noDict, noList, noChild); err != nil {
		log.Fatal(err)
	}
	p.Join(ctx)
	fmt.Println(d.Copy(ctx))
	fmt.Println(l.Copy(ctx))
}
