// Older calls the manager of program newer, of which it knows an earlier build.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/shmkit/shmkit/manager"
)

type store struct{}

func open(context.Context, struct{}) (*store, error)         { return nil, errors.ErrUnsupported }
func count(*store, context.Context, int64) (int64, error)    { return 0, errors.ErrUnsupported }
func find(*store, context.Context, string) (int64, error)    { return 0, errors.ErrUnsupported }
func sweep(*store, context.Context, int64) (int64, error)    { return 0, errors.ErrUnsupported }
func openBox(context.Context, int64) (*store, error)         { return nil, errors.ErrUnsupported }
func openShelf(context.Context, struct{}) (*[0]store, error) { return nil, errors.ErrUnsupported }

var (
	// in another order than that of newer
	Shelf = manager.Define("shelf", openShelf)
	Box   = manager.Define("box", openBox)
	Store = manager.Define("store", open)
	Sweep = manager.Method(Store, "sweep", sweep)
	Find  = manager.Method(Store, "find", find)
	Count = manager.Method(Store, "count", count)
)

func main() {
	ctx := context.Background()
	m, err := manager.Dial(ctx, os.Args[1], manager.Options{})
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	_, err = Shelf.New(ctx, m, struct{}{})
	say("type", err)
	_, err = Box.New(ctx, m, 1)
	say("argument", err)
	s, err := Store.New(ctx, m, struct{}{})
	say("store", err)
	_, err = Sweep.Call(ctx, s, 1)
	say("method", err)
	_, err = Find.Call(ctx, s, "x")
	say("types", err)
	n, err := Count.Call(ctx, s, 41)
	say(fmt.Sprint("count ", n), err)
}

func say(what string, err error) {
	var no *manager.NoMethodError
	fmt.Printf("%s: %t: %v\n", what, errors.As(err, &no), err)
}
