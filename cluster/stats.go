package cluster

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/shmkit/shmkit/cluster/internal/wire"
	"github.com/shmkit/shmkit/internal/engine"
)

// A Host is a host that serves the queue of a Cluster, as it has last told.
type Host struct {
	ID      string // new at each start
	Name    string
	PID     int
	Build   string // the revision of its program, if it was built with one
	Workers int
	Held    int // tasks that it has, those that wait for a worker included
	Leaving bool
	Tags    []string
	Tasks   []string
	Silent  time.Duration // since its last sign of life
}

// Hosts are the hosts that serve the queue now, by name.
func (c *Cluster) Hosts() []Host {
	c.caller.mu.Lock()
	defer c.caller.mu.Unlock()
	var all []Host
	for _, h := range c.caller.hosts {
		if h.lost {
			continue
		}
		l := &h.life
		one := Host{ID: l.Host, Name: l.Name, PID: l.PID, Build: l.Build, Workers: l.Workers, Held: l.Held, Leaving: l.Leaving, Tags: slices.Clone(l.Tags), Silent: time.Since(h.seen)}
		for _, t := range l.Tasks {
			one.Tasks = append(one.Tasks, t.Name)
		}
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b Host) int {
		if n := strings.Compare(a.Name, b.Name); n != 0 {
			return n
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all
}

// hostStats are what a host answers.
type hostStats struct {
	Host, Name string
	Stats      engine.Stats
}

// giveStats answers with what the host knows of its workers.
func (h *host) giveStats(m *nats.Msg) {
	b, err := json.Marshal(hostStats{Host: h.id, Name: h.o.Name, Stats: h.stats()})
	if err == nil {
		m.Respond(b)
	}
}

// Stats implements [engine.Engine]: it asks all hosts, and waits for those that are alive.
func (c *caller) Stats(ctx context.Context) (s engine.Stats) {
	missing := map[string]string{}
	c.mu.Lock()
	for id, h := range c.hosts {
		if !h.lost {
			missing[id] = h.life.Name
		}
	}
	c.mu.Unlock()
	inbox := nats.NewInbox()
	sub, err := c.nc.SubscribeSync(inbox)
	if err == nil {
		defer sub.Unsubscribe()
		err = c.nc.PublishRequest(wire.Prefix+"s."+c.o.Queue, inbox, nil)
	}
	for err == nil && len(missing) > 0 {
		var m *nats.Msg
		if m, err = sub.NextMsgWithContext(ctx); err != nil {
			break
		}
		var one hostStats
		if json.Unmarshal(m.Data, &one) != nil || one.Host == "" {
			continue
		}
		if _, asked := missing[one.Host]; asked {
			delete(missing, one.Host)
			addStats(&s, &one)
		}
	}
	for _, name := range missing {
		s.Missing = append(s.Missing, name)
	}
	slices.Sort(s.Missing)
	slices.SortFunc(s.Workers, func(a, b engine.WorkerStats) int { return strings.Compare(a.Name, b.Name) })
	return s
}

// addStats adds what one host has told to those of all.
func addStats(to *engine.Stats, one *hostStats) {
	for _, w := range one.Stats.Workers {
		w.Name = one.Name + "/" + w.Name
		to.Workers = append(to.Workers, w)
	}
	to.Running += one.Stats.Running
	to.Killed += one.Stats.Killed
	to.Recycled += one.Stats.Recycled
	to.Retried += one.Stats.Retried
	// of several hosts the slowest, which is what a caller waits for
	if r := one.Stats.Run; r.Samples > 0 {
		to.Run.P50, to.Run.P99, to.Run.Max = max(to.Run.P50, r.P50), max(to.Run.P99, r.P99), max(to.Run.Max, r.Max)
		to.Run.Samples += r.Samples
	}
}
