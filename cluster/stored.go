package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/shmkit/shmkit/cluster/internal/wire"
)

// A bucket is a stream that keeps the last message of each subject: the value of that name.
type bucket struct {
	c      *Cluster
	stream string
	prefix string // of subjects
}

// openBucket makes the bucket if it is not there. Its values are read from the leader, which is
// what an update is compared with: direct reads, from any server, could be stale.
func openBucket(ctx context.Context, c *Cluster, kind string, change func(*jetstream.StreamConfig)) (*bucket, error) {
	name := "SHMKIT_" + c.o.Queue + "_" + kind
	b := &bucket{c: c, stream: "KV_" + name, prefix: "$KV." + name + "."}
	q := c.caller.q
	s := jetstream.StreamConfig{
		Name: b.stream, Subjects: []string{b.prefix + ">"}, MaxMsgsPerSubject: 1, Discard: jetstream.DiscardNew, MaxMsgSize: maxPayload,
		Storage: q.storage, Replicas: q.replicas, AllowDirect: false, DenyDelete: true, Duplicates: dedupWindow,
	}
	change(&s)
	err := q.insist(ctx, func(ctx context.Context) error {
		_, err := q.js.CreateStream(ctx, s)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) { // with other options
			_, err = q.js.Stream(ctx, b.stream)
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cluster: make the store of %s: %w", kind, err)
	}
	return b, nil
}

// dedupWindow is how long a server knows the ids of messages.
const dedupWindow = 2 * time.Minute

// checkName refuses a name that cannot be part of a subject.
func checkName(kind, name string) error {
	if !wire.Name(name) {
		return fmt.Errorf("cluster: %s %q: a name has 1 to 64 letters, digits, - and _", kind, name)
	}
	return nil
}

// errChanged says that a value is not what an update was made of.
var errChanged = errors.New("cluster: the value has changed meanwhile")

// codeWrongSequence is the error code of the server for errChanged.
const codeWrongSequence = 10071

// put stores a message, and returns its revision. With expect, the last revision of that name must
// be that; 0 means that there must be none.
func (b *bucket) put(ctx context.Context, name string, data []byte, expect *uint64, header nats.Header) (revision uint64, sum string, err error) {
	m := nats.NewMsg(b.prefix + name)
	m.Data = data
	if header != nil {
		m.Header = header
	}
	if expect != nil {
		m.Header.Set("Nats-Expected-Last-Subject-Sequence", strconv.FormatUint(*expect, 10))
	}
	answer, err := b.c.nc.RequestMsgWithContext(ctx, m)
	if err != nil {
		return 0, "", err
	}
	var ack struct {
		Seq   uint64              `json:"seq"`
		Value string              `json:"val"`
		Error *jetstream.APIError `json:"error"`
	}
	if err := json.Unmarshal(answer.Data, &ack); err != nil {
		return 0, "", wire.ErrFormat
	}
	switch {
	case ack.Error == nil:
		return ack.Seq, ack.Value, nil
	case ack.Error.ErrorCode == codeWrongSequence:
		return 0, "", errChanged
	}
	return 0, "", ack.Error
}

// get returns the last message of a name; nil when there is none.
func (b *bucket) get(ctx context.Context, name string) (*jetstream.RawStreamMsg, error) {
	s, err := b.c.caller.q.js.Stream(ctx, b.stream)
	if err != nil {
		return nil, err
	}
	m, err := s.GetLastMsgForSubject(ctx, b.prefix+name)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	return m, err
}

// insist repeats f until ctx ends, while servers are away. f must not be harmed by that.
func (b *bucket) insist(ctx context.Context, f func(ctx context.Context) error) error {
	return b.c.caller.q.insist(ctx, f)
}
