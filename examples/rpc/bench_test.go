package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"testing"

	"github.com/shmkit/shmkit/manager"
	"github.com/shmkit/shmkit/queue/pipe"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// The rows of this file are those of BenchmarkManagerCall in package bench, with gRPC as the peer:
// a call with 8 bytes, which returns 8 bytes, by the same transport, the server in a process of its
// own.

type counter struct{}

var (
	counterType = manager.Define("counter", func(context.Context, struct{}) (*counter, error) { return &counter{}, nil })
	counterNext = manager.Method(counterType, "next", func(_ *counter, _ context.Context, n int64) (int64, error) { return n + 1, nil })
)

const nextMethod = "/shmkit.example.Counter/Next"

// nextService is the method as a service of gRPC.
var nextService = grpc.ServiceDesc{
	ServiceName: "shmkit.example.Counter",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Next",
		Handler: func(_ any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			n := new(wrapperspb.Int64Value)
			if err := decode(n); err != nil {
				return nil, err
			}
			return wrapperspb.Int64(n.Value + 1), nil
		},
	}},
}

// listen listens by a transport at a path.
func listen(transport, path string) (net.Listener, error) {
	if transport == "unix" {
		return net.Listen("unix", path)
	}
	return pipe.Listen(path, pipe.ListenOptions{})
}

// servePeer serves the method by gRPC until its input ends.
func servePeer(transport, path string) error {
	l, err := listen(transport, path)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	s.RegisterService(&nextService, nil)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		s.Stop()
	}()
	fmt.Println("serving")
	return s.Serve(l)
}

// openGRPC returns a call of gRPC.
func openGRPC(b *testing.B, transport string) func(int64) (int64, error) {
	path := b.TempDir() + "/peer"
	_, stop := startProgram(b, asPeer, transport, path)
	c, err := grpc.NewClient("passthrough:///"+path,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, path string) (net.Conn, error) {
			if transport == "unix" {
				return net.Dial("unix", path)
			}
			return pipe.Dial(ctx, path, pipe.DialOptions{})
		}))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		c.Close()
		stop()
	})
	return func(n int64) (int64, error) {
		next := new(wrapperspb.Int64Value)
		err := c.Invoke(b.Context(), nextMethod, wrapperspb.Int64(n), next)
		return next.Value, err
	}
}

// openManager returns a call of a manager.
func openManager(b *testing.B, transport string) func(int64) (int64, error) {
	ctx, o := context.Background(), manager.Options{}
	if transport == "unix" {
		o.Name = "unix://" + b.TempDir() + "/manager"
	}
	m, err := manager.Start(ctx, o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { m.Close() })
	ref, err := counterType.New(ctx, m, struct{}{})
	if err != nil {
		b.Fatal(err)
	}
	return func(n int64) (int64, error) { return counterNext.Call(ctx, ref, n) }
}

// BenchmarkManagerCall calls a method with 8 bytes, which returns 8 bytes, call after call.
func BenchmarkManagerCall(b *testing.B) {
	for _, transport := range []string{"shm", "unix"} {
		for _, peer := range []struct {
			name string
			open func(*testing.B, string) func(int64) (int64, error)
		}{{"shmkit", openManager}, {"grpc", openGRPC}} {
			b.Run("transport="+transport+"/impl="+peer.name, func(b *testing.B) {
				call := peer.open(b, transport)
				for n := range int64(200) { // before they count
					if next, err := call(n); err != nil || next != n+1 {
						b.Fatalf("%d after %d, error %v", next, n, err)
					}
				}
				b.ReportAllocs()
				b.ResetTimer()
				for n := range int64(b.N) {
					if next, err := call(n); err != nil || next != n+1 {
						b.Fatalf("%d after %d, error %v", next, n, err)
					}
				}
			})
		}
	}
}
