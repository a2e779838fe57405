// Rpc serves HTTP and gRPC over shared memory, and asks the server from another process.
//
//	rpc serve NAME        serves until its input ends
//	rpc ask NAME TEXT...  asks how many words TEXT has, both ways
//
// Neither protocol knows of shared memory: a listener of the package queue is a net.Listener, and a
// connection a net.Conn.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "rpc:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, in io.Reader, out io.Writer) error {
	switch {
	case len(args) == 2 && args[0] == "serve":
		return serve(ctx, args[1], in, out)
	case len(args) > 2 && args[0] == "ask":
		return ask(ctx, args[1], strings.Join(args[2:], " "), out)
	}
	return fmt.Errorf("usage: rpc serve NAME | rpc ask NAME TEXT...")
}

// httpName and grpcName are where the two protocols are served.
func httpName(name string) string { return name + ".http" }
func grpcName(name string) string { return name + ".grpc" }

// ask prints what the server answers, by both protocols.
func ask(ctx context.Context, name, text string, out io.Writer) error {
	n, err := countByHTTP(ctx, httpName(name), text)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "HTTP: %d words\n", n)
	if n, err = countByGRPC(ctx, grpcName(name), text); err != nil {
		return err
	}
	fmt.Fprintf(out, "gRPC: %d words:", n)
	err = splitByGRPC(ctx, grpcName(name), text, func(word string) { fmt.Fprintf(out, " %q", word) })
	fmt.Fprintln(out)
	return err
}
