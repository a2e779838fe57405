// Remote has one queue that processes on any machines share, behind a key: "serve ADDRESS" keeps
// it, "put ADDRESS TEXT" and "get ADDRESS" use it. The key comes from the environment. In Python:
//
//	from multiprocessing.managers import BaseManager
//	from queue import Queue
//	queue = Queue()
//	class QueueManager(BaseManager): pass
//	QueueManager.register('get_queue', callable=lambda: queue)
//	m = QueueManager(address=('', 50000), authkey=b'abracadabra')
//	s = m.get_server()
//	s.serve_forever()
//
//	class QueueManager(BaseManager): pass
//	QueueManager.register('get_queue')
//	m = QueueManager(address=('foo.bar.org', 50000), authkey=b'abracadabra')
//	m.connect()
//	queue = m.get_queue()
//	queue.put('hello')
//
//	class QueueManager(BaseManager): pass
//	QueueManager.register('get_queue')
//	m = QueueManager(address=('foo.bar.org', 50000), authkey=b'abracadabra')
//	m.connect()
//	queue = m.get_queue()
//	queue.get()
package main

import (
	"context"
	"fmt"
	"log"
	"os"

	"github.com/shmkit/shmkit/manager"
)

type queue chan string

func (q queue) put(ctx context.Context, s string) (any, error) {
	select {
	case q <- s:
		return nil, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

func (q queue) get(ctx context.Context, _ any) (string, error) {
	select {
	case s := <-q:
		return s, nil
	case <-ctx.Done():
		return "", context.Cause(ctx)
	}
}

var (
	Queue = manager.Define("queue", func(context.Context, struct{}) (queue, error) { return make(queue, 1000), nil })
	Put   = manager.Method(Queue, "put", queue.put)
	Get   = manager.Method(Queue, "get", queue.get)
)

func must[T any](v T, err error) T {
	if err != nil {
		log.Fatal(err)
	}
	return v
}

func main() {
	ctx, o := context.Background(), manager.Options{Key: []byte(os.Getenv("QUEUE_KEY")), Insecure: true}
	if os.Args[1] == "serve" {
		l := must(manager.Listen(os.Args[2], o))
		fmt.Println("tcp://" + l.Addr().String())
		<-must(manager.Serve(ctx, l, o)).Done()
	}
	m := must(manager.Dial(ctx, os.Args[2], o))
	q := must(Queue.Named(ctx, m, "queue", struct{}{}))
	if os.Args[1] == "put" {
		fmt.Println(Put.Call(ctx, q, os.Args[3]))
	} else {
		fmt.Println(Get.Call(ctx, q, nil))
	}
}
