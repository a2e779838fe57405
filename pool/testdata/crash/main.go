// Command crash has tasks crash in C, and prints the errors of their calls.
package main

/*
#include <assert.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>

static void asserts(int n) { assert(n == 1 && "the reason"); }
static void faults(void) { *(volatile int *)8 = 1; }
static void divides(int n) { raise(SIGFPE); }
static void __attribute__((noinline)) freesTwice(void) {
	char *volatile p = malloc(64);
	free(p);
	free(p);
}
*/
import "C"

import (
	"context"
	"fmt"
	"os"
	"syscall"

	"github.com/shmkit/shmkit/pool"
)

var crash = pool.Define("crash", func(_ context.Context, how string) (string, error) {
	fmt.Fprintln(os.Stderr, "begins with", how)
	switch how {
	case "assert":
		C.asserts(2)
	case "fault":
		C.faults()
	case "divide":
		C.divides(0)
	case "free":
		C.freesTwice()
	case "abort":
		C.abort()
	case "quit":
		syscall.Kill(os.Getpid(), syscall.SIGQUIT)
		select {}
	}
	return "", nil
})

func main() {
	pool.Main()
	p, err := pool.New(context.Background(), pool.Options{Workers: 1, Attempts: 1})
	if err != nil {
		panic(err)
	}
	for _, how := range os.Args[1:] {
		_, err := pool.Apply(context.Background(), p, crash, how)
		fmt.Println(err)
	}
	p.Close()
}
