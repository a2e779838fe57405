package main

import (
	"context"
	"io"
	"net"
	"strings"

	"github.com/shmkit/shmkit/queue/pipe"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// words is the service. Its messages are well-known types, so that no code has to be generated for
// it.
type words interface {
	Count(context.Context, *wrapperspb.StringValue) (*wrapperspb.Int64Value, error)
	Split(*wrapperspb.StringValue, grpc.ServerStreamingServer[wrapperspb.StringValue]) error
}

const (
	serviceName = "shmkit.example.Words"
	countMethod = "/" + serviceName + "/Count"
	splitMethod = "/" + serviceName + "/Split"
)

var service = grpc.ServiceDesc{
	ServiceName: serviceName,
	HandlerType: (*words)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Count",
		Handler: func(s any, ctx context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor) (any, error) {
			text := new(wrapperspb.StringValue)
			if err := decode(text); err != nil {
				return nil, err
			}
			return s.(words).Count(ctx, text)
		},
	}},
	Streams: []grpc.StreamDesc{{
		StreamName:    "Split",
		ServerStreams: true,
		Handler: func(s any, stream grpc.ServerStream) error {
			text := new(wrapperspb.StringValue)
			if err := stream.RecvMsg(text); err != nil {
				return err
			}
			return s.(words).Split(text, &grpc.GenericServerStream[wrapperspb.StringValue, wrapperspb.StringValue]{ServerStream: stream})
		},
	}},
}

// splitter is the service's implementation.
type splitter struct{}

// Count counts the words of a text.
func (splitter) Count(_ context.Context, text *wrapperspb.StringValue) (*wrapperspb.Int64Value, error) {
	return wrapperspb.Int64(int64(len(strings.Fields(text.Value)))), nil
}

// Split sends the words of a text, one by one.
func (splitter) Split(text *wrapperspb.StringValue, stream grpc.ServerStreamingServer[wrapperspb.StringValue]) error {
	for word := range strings.FieldsSeq(text.Value) {
		if err := stream.Send(wrapperspb.String(word)); err != nil {
			return err
		}
	}
	return nil
}

func newGRPCServer() *grpc.Server {
	s := grpc.NewServer()
	s.RegisterService(&service, splitter{})
	return s
}

// connect makes a client of the server of that name. The memory is shared only with processes of
// this user: there is nothing to encrypt.
func connect(name string) (*grpc.ClientConn, error) {
	return grpc.NewClient("passthrough:///"+name,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, name string) (net.Conn, error) {
			return pipe.Dial(ctx, name, pipe.DialOptions{})
		}))
}

// countByGRPC asks the server how many words text has.
func countByGRPC(ctx context.Context, name, text string) (int, error) {
	c, err := connect(name)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	n := new(wrapperspb.Int64Value)
	err = c.Invoke(ctx, countMethod, wrapperspb.String(text), n)
	return int(n.Value), err
}

// splitByGRPC has the server send the words of text, and calls each with them.
func splitByGRPC(ctx context.Context, name, text string, each func(word string)) error {
	c, err := connect(name)
	if err != nil {
		return err
	}
	defer c.Close()
	stream, err := c.NewStream(ctx, &service.Streams[0], splitMethod)
	if err != nil {
		return err
	}
	if err = stream.SendMsg(wrapperspb.String(text)); err == nil {
		err = stream.CloseSend()
	}
	for err == nil {
		word := new(wrapperspb.StringValue)
		if err = stream.RecvMsg(word); err == nil {
			each(word.Value)
		}
	}
	if err == io.EOF {
		err = nil
	}
	return err
}
