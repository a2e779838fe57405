// Newer is a manager that program older calls.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/manager"
)

type store struct{}

func open(context.Context, struct{}) (*store, error)            { return &store{}, nil }
func count(_ *store, _ context.Context, n int64) (int64, error) { return n + 1, nil }
func find(*store, context.Context, []byte) (int64, error)       { return 0, nil }
func openBox(context.Context, string) (*store, error)           { return &store{}, nil }

var (
	Store = manager.Define("store", open)
	Count = manager.Method(Store, "count", count)
	Find  = manager.Method(Store, "find", find)
	Box   = manager.Define("box", openBox)
)

func main() {
	o := manager.Options{Name: os.Args[1]}
	l, err := manager.Listen(os.Args[1], o)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	s, err := manager.Serve(context.Background(), l, o)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("serves")
	os.Stdin.Read(make([]byte, 1)) // until its input ends
	s.Kill()
	<-s.Done()
}
