package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/pool"
)

// report is the output of the program. Its JSON form is one object; the totals are fields of it.
type report struct {
	command.Totals
	Seconds float64             `json:"seconds"`
	Killed  int                 `json:"killed"`  // workers that died and were replaced
	Workers []workerReport      `json:"workers"` // as they were at the end
	Task    taskReport          `json:"task"`
	Top     []command.WordCount `json:"top"`
}

// A workerReport says what one worker has done, together with the workers that it has replaced.
type workerReport struct {
	Name       string  `json:"name"`
	Tasks      uint64  `json:"tasks"`
	Restarts   int     `json:"restarts"`
	CPUSeconds float64 `json:"cpuSeconds"` // of the last one
	Memory     int64   `json:"memory"`     // bytes, of the last one
}

// A taskReport says how long a sample of the tasks took in their workers.
type taskReport struct {
	Samples    int64   `json:"samples"`
	P50Seconds float64 `json:"p50Seconds"`
	P99Seconds float64 `json:"p99Seconds"`
}

func newReport(t command.Totals, top []command.WordCount, elapsed time.Duration, s pool.Stats) report {
	if top == nil {
		top = []command.WordCount{} // in JSON a list, not null
	}
	r := report{Totals: t, Seconds: elapsed.Seconds(), Killed: s.Killed, Top: top}
	for _, w := range s.Workers {
		r.Workers = append(r.Workers, workerReport{w.Name, w.Tasks, w.Restarts, w.CPU.Seconds(), w.Memory})
	}
	r.Task = taskReport{s.Run.Samples, s.Run.P50.Seconds(), s.Run.P99.Seconds()}
	return r
}

// writeText writes r for people.
func (r report) writeText(w io.Writer) error {
	var b strings.Builder
	what := fmt.Sprintf("%.2f s with %d workers", r.Seconds, len(r.Workers))
	if r.Seconds > 0 {
		what += fmt.Sprintf(", %.0f MB/s", float64(r.Bytes)/1e6/r.Seconds)
	}
	command.WriteTotals(&b, r.Totals, what, r.Killed, "workers")
	command.WriteTop(&b, r.Top)
	r.writeWorkers(&b)
	_, err := io.WriteString(w, b.String())
	return err
}

// writeWorkers writes what the workers have done.
func (r report) writeWorkers(b *strings.Builder) {
	fmt.Fprintf(b, "\n%-10s %6s %8s %8s %9s\n", "", "tasks", "CPU", "memory", "restarts")
	for _, w := range r.Workers {
		fmt.Fprintf(b, "%-10s %6d %6.2f s %5d MB %9d\n", w.Name, w.Tasks, w.CPUSeconds, w.Memory/1e6, w.Restarts)
	}
	if t := r.Task; t.Samples > 0 {
		fmt.Fprintf(b, "half of the tasks took less than %.1f ms, 99 %% less than %.1f ms\n", 1e3*t.P50Seconds, 1e3*t.P99Seconds)
	}
}
