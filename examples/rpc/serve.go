package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/shmkit/shmkit/queue/pipe"
)

// serve serves both protocols until in or ctx ends.
func serve(ctx context.Context, name string, in io.Reader, out io.Writer) error {
	byHTTP, err := pipe.Listen(httpName(name), pipe.ListenOptions{})
	if err != nil {
		return err
	}
	defer byHTTP.Close()
	byGRPC, err := pipe.Listen(grpcName(name), pipe.ListenOptions{})
	if err != nil {
		return err
	}
	defer byGRPC.Close()

	web, grpc := &http.Server{Handler: handler()}, newGRPCServer()
	ended := make(chan error, 2)
	go func() { ended <- web.Serve(byHTTP) }()
	go func() { ended <- grpc.Serve(byGRPC) }()
	fmt.Fprintln(out, "serving")

	over := make(chan struct{})
	go func() {
		io.Copy(io.Discard, in)
		close(over)
	}()
	select {
	case err = <-ended: // one of them has failed
	case <-over: // the server is needed no more
	case <-ctx.Done(): // the user does not want it
	}
	grpc.GracefulStop()
	return errors.Join(err, web.Shutdown(context.WithoutCancel(ctx)))
}
