package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

func (t *tool) topCommand() *cobra.Command {
	interval, batch, count := time.Second, false, 0
	c := &cobra.Command{
		Use:               "top [SEGMENT…]",
		Short:             "Show segments, queues, pools and processes again and again",
		Long:              "Top needs a terminal; without one, or with -b, it writes one page after the other.",
		Example:           "  shmkit top\n  shmkit top -b -n 3",
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			if interval < 100*time.Millisecond {
				return usageError{fmt.Errorf("-d %v: must be 100ms at least", interval)}
			}
			collect := func() page { return t.collect(c.Context(), args) }
			if batch || t.json || !isTerminal(t.out) {
				return t.batch(c.Context(), collect, interval, count)
			}
			return onTerminal(c.Context(), newTop(collect, interval))
		},
	}
	c.Flags().DurationVarP(&interval, "interval", "d", interval, "how often to look")
	c.Flags().BoolVarP(&batch, "batch", "b", false, "write one page after the other")
	c.Flags().IntVarP(&count, "count", "n", 0, "end after so many pages; 0: never")
	return c
}

// onTerminal shows the screen until the user or a signal ends it. The terminal is as before when it
// returns, after a panic, too.
func onTerminal(ctx context.Context, m *top) error {
	_, err := tea.NewProgram(m, tea.WithContext(ctx), tea.WithoutSignalHandler(), tea.WithFPS(20)).Run()
	if ctx.Err() != nil {
		return nil // a signal has ended it; the exit code says so
	}
	return cmp.Or(m.failed, err)
}

func isTerminal(out any) bool {
	f, ok := out.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// A page is what top sees in one look.
type page struct {
	Time     time.Time          `json:"time"`
	Segments []*inspect.Segment `json:"segments"`
	Queues   []queueRow         `json:"queues"`
	Pools    []poolRow          `json:"pools"`
	Members  []memberRow        `json:"processes"`
	Trouble  []string           `json:"trouble"`
}

// A queueRow is a queue with its rates since the look before.
type queueRow struct {
	Segment  string  `json:"segment"`
	Name     string  `json:"name"`
	Kind     string  `json:"kind"`
	Depth    uint64  `json:"messages"`
	Capacity uint64  `json:"capacity"`
	Unit     string  `json:"capacityUnit"`
	Put      uint64  `json:"put"`
	Got      uint64  `json:"got"`
	PutRate  float64 `json:"putPerSecond"`
	GotRate  float64 `json:"gotPerSecond"`
	Lag      float64 `json:"lagSeconds"` // age of the oldest message, exact to the interval
	Closed   bool    `json:"closed"`

	id string
}

type poolRow struct {
	Segment string         `json:"segment"`
	State   describe.Facts `json:"state"`
	Workers any            `json:"workers"`
	workers []any
}

type memberRow struct {
	Segment string `json:"segment"`
	member
}

// collect takes one look. What cannot be read is left out.
func (t *tool) collect(ctx context.Context, names []string) page {
	p := page{Time: t.time(), Segments: []*inspect.Segment{}, Queues: []queueRow{}, Pools: []poolRow{}, Members: []memberRow{}, Trouble: []string{}}
	v, err := t.look(ctx, names)
	if err != nil {
		p.Trouble = append(p.Trouble, err.Error())
		return p
	}
	defer v.close()
	p.Segments = append(p.Segments, v.segments...)
	for _, s := range v.segments {
		for _, trouble := range s.Trouble {
			p.Trouble = append(p.Trouble, quoted(s.Name)+": "+trouble)
		}
		members, bySlot := processesOf(s, false)
		for o, err := range s.All(describe.Want{Bare: true}) {
			if err != nil {
				break
			}
			p.add(s, &o)
			bySlot.add(&o)
		}
		for _, m := range members {
			p.Members = append(p.Members, memberRow{s.Name, m})
		}
	}
	slices.SortStableFunc(p.Segments, func(a, b *inspect.Segment) int {
		return cmp.Or(cmp.Compare(len(b.Trouble), len(a.Trouble)), cmp.Compare(a.Name, b.Name))
	})
	return p
}

// add takes what top shows of an object.
func (p *page) add(s *inspect.Segment, o *inspect.Object) {
	if _, waits := o.Facts.Get("waitsForRepair"); waits {
		p.Trouble = append(p.Trouble, fmt.Sprintf("%s: %s %q was left by a process that died", quoted(s.Name), o.Kind, o.Name))
	}
	if o.Kind == "task table" {
		workers, _ := o.RawValue.([]any)
		p.Pools = append(p.Pools, poolRow{s.Name, o.Facts, o.Value, workers})
		return
	}
	depth, isQueue := o.Facts.Get("messages")
	if !isQueue {
		return
	}
	q := queueRow{Segment: s.Name, Name: o.Name, Kind: o.Kind, id: fmt.Sprint(s.Identity, o.Serial), Unit: "messages"}
	q.Depth, _ = depth.(uint64)
	q.Put, q.Got = number(o.Facts, "put"), number(o.Facts, "got")
	q.Capacity = number(o.Facts, "capacityMessages")
	if q.Capacity == 0 {
		q.Capacity, q.Unit = number(o.Facts, "capacityBytes"), "bytes"
	}
	closed, _ := o.Facts.Get("closed")
	q.Closed, _ = closed.(bool)
	p.Queues = append(p.Queues, q)
}

func number(f describe.Facts, name string) uint64 {
	v, _ := f.Get(name)
	n, _ := v.(uint64)
	return n
}

// A memory knows what earlier looks have seen of the queues, for rates and lags.
type memory struct {
	at   time.Time
	last map[string]queueRow
	puts map[string][]stamp // when how many messages had been put
}

type stamp struct {
	put uint64
	at  time.Time
}

// mostStamps bounds what is remembered of a queue.
const mostStamps = 600

// remember fills in the rates of a page, and the age of the oldest message of each queue: the time
// since as many messages had been put as have been taken now.
func (m *memory) remember(p *page) {
	next, puts := map[string]queueRow{}, map[string][]stamp{}
	for i := range p.Queues {
		q := &p.Queues[i]
		if before, known := m.last[q.id]; known && p.Time.After(m.at) {
			seconds := p.Time.Sub(m.at).Seconds()
			q.PutRate, q.GotRate = float64(q.Put-min(before.Put, q.Put))/seconds, float64(q.Got-min(before.Got, q.Got))/seconds
		}
		stamps := append(m.puts[q.id], stamp{q.Put, p.Time})
		for len(stamps) > 1 && (stamps[1].put <= q.Got || len(stamps) > mostStamps) {
			stamps = stamps[1:]
		}
		if q.Depth > 0 {
			q.Lag = p.Time.Sub(stamps[0].at).Seconds()
		}
		next[q.id], puts[q.id] = *q, stamps
	}
	m.at, m.last, m.puts = p.Time, next, puts
}

// batch writes one page after the other.
func (t *tool) batch(ctx context.Context, collect func() page, interval time.Duration, count int) error {
	var m memory
	for n := 1; ; n++ {
		p := collect()
		m.remember(&p)
		if t.json {
			if err := t.writeLine("top", answer{Result: p}); err != nil {
				return err
			}
		} else if err := t.printf("%s\n", p.text(t)); err != nil {
			return err
		}
		if n == count {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
	}
}

// text is the whole page.
func (p *page) text(t *tool) string {
	return strings.Join([]string{p.headline(), strings.Join(p.Trouble, "\n"), t.segmentTable(p.Segments), p.queueTable(), p.poolText(), p.memberTable()}, "\n")
}

func (p *page) headline() string {
	return fmt.Sprintf("%s  %d segments, %d processes, %d queues, %d in trouble", p.Time.Format(time.TimeOnly), len(p.Segments), len(p.Members), len(p.Queues), len(p.Trouble))
}

func (p *page) queueTable() string {
	w := newTable()
	w.row(" ", "SEGMENT", "QUEUE", "KIND", "DEPTH", "", "PUT/S", "GET/S", "LAG")
	for _, q := range p.Queues {
		state := fmt.Sprintf("%d/%d", q.Depth, q.Capacity)
		if q.Unit == "bytes" {
			state = fmt.Sprintf("%d in %s", q.Depth, size(q.Capacity))
		}
		lag := "-"
		if q.Lag > 0 {
			lag = span(time.Duration(q.Lag * float64(time.Second)))
		}
		mark := " "
		if q.Unit == "messages" && q.Depth == q.Capacity {
			mark = "!"
		}
		w.row(mark, quoted(q.Segment), quoted(q.Name), q.Kind, state, bar(q), fmt.Sprintf("%.0f", q.PutRate), fmt.Sprintf("%.0f", q.GotRate), lag)
	}
	return w.String()
}

// bar shows how full a queue is.
func bar(q queueRow) string {
	const width = 8
	if q.Unit == "bytes" || q.Capacity == 0 {
		return ""
	}
	full := int(min(q.Depth, q.Capacity) * width / q.Capacity)
	return strings.Repeat("#", full) + strings.Repeat(".", width-full)
}

func (p *page) poolText() string {
	var b strings.Builder
	for _, pool := range p.Pools {
		fmt.Fprintf(&b, "  %s\n", poolLine(pool.Segment, pool.State))
		for _, w := range pool.workers {
			fmt.Fprintf(&b, "    %s\n", value(w))
		}
	}
	return b.String()
}

func (p *page) memberTable() string {
	w := newTable()
	w.row(" ", "PID", "PROGRAM", "SEGMENT", "STATE", "HOLDS", "WAITS FOR")
	for _, m := range p.Members {
		mark := " "
		if m.State == "stopped" {
			mark = "!"
		}
		w.row(mark, fmt.Sprint(m.PID), quoted(m.Program), quoted(m.Segment), m.State, few(m.Holds), few(m.WaitsFor))
	}
	return w.String()
}

// write saves what is seen as JSON.
func (p *page) write() (path string, err error) {
	b, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(".", "shmkit-top-*.json")
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(b, '\n'))
	if closed := f.Close(); err == nil {
		err = closed
	}
	return f.Name(), err
}
