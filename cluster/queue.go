package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// classAny is the class of tasks that every host can run. The other classes are named by sets, see
// [wire.Life.Set].
const classAny = "any"

// A queue is the stream of tasks on the server, and the consumers by which hosts take them.
type queue struct {
	js       jetstream.JetStream
	name     string
	storage  jetstream.StorageType
	replicas int
	lease    time.Duration
}

func newQueue(nc *nats.Conn, o *Options) (*queue, error) {
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	q := &queue{js: js, name: o.Queue, storage: jetstream.FileStorage, replicas: o.Replicas, lease: o.Lease}
	if len(o.Servers) == 0 && o.Dir == "" {
		q.storage = jetstream.MemoryStorage
	}
	return q, nil
}

func streamOf(queue string) string { return "SHMKIT_" + queue }

// consumerOf is the name of the consumer of a class.
func consumerOf(class string) string {
	if class == classAny {
		return classAny
	}
	return "on-" + class
}

// subjectOf is the subject of the tasks of one caller in a class.
func subjectOf(queue, class, client string) string {
	if class == classAny {
		return wire.Prefix + "t." + queue + ".any." + client
	}
	return wire.Prefix + "t." + queue + ".on." + class + "." + client
}

// make makes the stream if it is not there, with the consumers of classes. It returns when it was
// made.
func (q *queue) make(ctx context.Context, classes ...string) (created time.Time, err error) {
	err = q.insist(ctx, func(ctx context.Context) error {
		s, err := q.js.CreateStream(ctx, q.config())
		// made by another, with other options
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) {
			s, err = q.js.Stream(ctx, streamOf(q.name))
		}
		if err == nil {
			created = s.CachedInfo().Created
		}
		return err
	})
	for _, class := range append([]string{classAny}, classes...) {
		if err == nil {
			err = q.consumer(ctx, class)
		}
	}
	if err != nil {
		return created, fmt.Errorf("cluster: make queue %q: %w", q.name, err)
	}
	return created, nil
}

func (q *queue) config() jetstream.StreamConfig {
	return jetstream.StreamConfig{
		Name: streamOf(q.name), Subjects: []string{wire.Prefix + "t." + q.name + ".>"},
		Retention: jetstream.WorkQueuePolicy, Discard: jetstream.DiscardNew, MaxMsgs: maxQueued, MaxMsgSize: maxPayload,
		Storage: q.storage, Replicas: q.replicas, Duplicates: 100 * time.Millisecond, AllowDirect: false,
	}
}

// maxQueued is how many tasks the server keeps for one queue.
const maxQueued = 1 << 21

// consumer makes the consumer of a class if it is not there.
func (q *queue) consumer(ctx context.Context, class string) error {
	return q.insist(ctx, func(ctx context.Context) error {
		_, err := q.js.CreateOrUpdateConsumer(ctx, streamOf(q.name), jetstream.ConsumerConfig{
			Durable: consumerOf(class), FilterSubject: subjectOf(q.name, class, "*"), AckPolicy: jetstream.AckExplicitPolicy,
			AckWait: q.lease, MaxDeliver: -1, MaxAckPending: 1 << 14, MaxWaiting: 2048, Replicas: q.replicas, MemoryStorage: q.storage == jetstream.MemoryStorage,
		})
		return err
	})
}

// insist repeats a request until ctx ends: while the servers have no leader none is answered.
func (q *queue) insist(ctx context.Context, f func(ctx context.Context) error) error {
	for {
		try, cancel := context.WithTimeout(ctx, requestTimeout)
		err := f(try)
		cancel()
		if err == nil || !passes(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %w", context.Cause(ctx), err)
		case <-time.After(retryPause):
		}
	}
}

// requestTimeout is how long one request to a server waits for its answer.
const requestTimeout = 3 * time.Second

// passes reports whether an error of a request may be gone at the next try.
func passes(err error) bool {
	var api *jetstream.APIError
	if errors.As(err, &api) {
		return api.Code == 503 || api.Code == 500
	}
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, nats.ErrTimeout) || errors.Is(err, nats.ErrNoResponders) ||
		errors.Is(err, jetstream.ErrNoStreamResponse) || errors.Is(err, jetstream.ErrJetStreamNotEnabled) || errors.Is(err, nats.ErrDisconnected) ||
		errors.Is(err, nats.ErrConnectionReconnecting)
}

// created is when the stream was made; zero when there is none.
func (q *queue) created(ctx context.Context) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	s, err := q.js.Stream(ctx, streamOf(q.name))
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, err
	}
	return s.CachedInfo().Created, nil
}
