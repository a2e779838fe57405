package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
)

// A Counter is a number that all programs of a queue share, by its name, and that the server adds
// to. It is as durable as the server is. It may be used by any number of goroutines.
type Counter struct {
	b    *bucket
	name string
}

// NewCounter finds the counter of that name, or makes it, with 0.
//
// Errors: a bad name; a server that cannot be reached before ctx ends.
func NewCounter(ctx context.Context, c *Cluster, name string) (*Counter, error) {
	if err := checkName("counter", name); err != nil {
		return nil, err
	}
	b, err := openBucket(ctx, c, "counters", func(s *jetstream.StreamConfig) {
		s.AllowMsgCounter, s.Discard = true, jetstream.DiscardOld
	})
	if err != nil {
		return nil, err
	}
	return &Counter{b, name}, nil
}

// Add adds n, which may be negative, and returns the sum. When the answer of the server is lost,
// Add asks again until ctx ends: what it asks for bears a number, so that the server adds it once
// if it hears of it again within two minutes. After an error n may have been added all the same.
//
// Errors: the cause of the end of ctx.
func (k *Counter) Add(ctx context.Context, n int64) (sum int64, err error) {
	id := nuid.Next()
	var text string
	err = k.b.insist(ctx, func(ctx context.Context) error {
		header := nats.Header{}
		header.Set("Nats-Incr", strconv.FormatInt(n, 10))
		header.Set(nats.MsgIdHdr, id)
		_, text, err = k.b.put(ctx, k.name, nil, nil, header)
		return err
	})
	if err == nil && text == "" { // it was added before, and the answer was lost
		return k.Load(ctx)
	}
	if err == nil {
		sum, err = strconv.ParseInt(text, 10, 64)
	}
	if err != nil {
		return 0, fmt.Errorf("cluster: counter %q: add: %w", k.name, err)
	}
	return sum, nil
}

// Load returns the sum so far.
//
// Errors: the cause of the end of ctx.
func (k *Counter) Load(ctx context.Context) (sum int64, err error) {
	err = k.b.insist(ctx, func(ctx context.Context) error {
		m, err := k.b.get(ctx, k.name)
		if err != nil || m == nil {
			return err
		}
		var stored struct {
			Value string `json:"val"`
		}
		if err := json.Unmarshal(m.Data, &stored); err != nil {
			return err
		}
		sum, err = strconv.ParseInt(stored.Value, 10, 64)
		return err
	})
	if err != nil {
		return 0, fmt.Errorf("cluster: counter %q: load: %w", k.name, err)
	}
	return sum, nil
}
