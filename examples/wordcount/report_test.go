package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/shmkit/shmkit/examples/wordcount/command"
	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/pool"
	"go.uber.org/goleak"
)

var sample = newReport(
	command.Totals{Files: 3, Lines: 20, Words: 100, Bytes: 5_000_000, Unreadable: 1},
	[]command.WordCount{{Word: "the", Count: 7}, {Word: "<&\"", Count: 3}, {Word: "a\x1b[2J", Count: 2}, {Word: "\xff", Count: 1}, {Word: "für", Count: 1}},
	2*time.Second, pool.Stats{ //clock: a figure to print
		Workers: []pool.WorkerStats{
			//clock: a figure to print
			{Name: "Worker-1", PID: 12, Tasks: 70, CPU: 1500 * time.Millisecond, Memory: 42_000_000},
			//clock: a figure to print
			{Name: "Worker-2", PID: 13, Tasks: 7, Restarts: 5, CPU: 20 * time.Millisecond, Memory: 9_000_000},
		},
		Killed: 5,
		//clock: figures to print
		Run: pool.Latency{P50: 1500 * time.Microsecond, P99: 12 * time.Millisecond, Samples: 4},
	})

var oneWorker = pool.Stats{Workers: []pool.WorkerStats{{Name: "Worker-1"}}}

func TestReportText(t *testing.T) {
	var b bytes.Buffer
	if err := sample.writeText(&b); err != nil {
		t.Fatal(err)
	}
	want := `3 files, 20 lines, 100 words, 5000000 bytes
2.00 s with 2 workers, 2 MB/s
1 files or directories could not be read
5 workers were killed; their work was done again

           7  the
           3  <&"
           2  "a\x1b[2J"
           1  "\xff"
           1  für

            tasks      CPU   memory  restarts
Worker-1       70   1.50 s    42 MB         0
Worker-2        7   0.02 s     9 MB         5
half of the tasks took less than 1.5 ms, 99 % less than 12.0 ms
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	b.Reset()
	if err := newReport(command.Totals{Files: 1}, nil, 0, oneWorker).writeText(&b); err != nil {
		t.Fatal(err)
	}
	want = `1 files, 0 lines, 0 words, 0 bytes
0.00 s with 1 workers

            tasks      CPU   memory  restarts
Worker-1        0   0.00 s     0 MB         0
`
	if b.String() != want {
		t.Errorf("got %q, want %q", &b, want)
	}
}

func TestReportJSON(t *testing.T) {
	var b bytes.Buffer
	if err := command.WriteJSON(&b, sample); err != nil {
		t.Fatal(err)
	}
	want := `{"files":3,"lines":20,"words":100,"bytes":5000000,"unreadable":1,"seconds":2,"killed":5,` +
		`"workers":[{"name":"Worker-1","tasks":70,"restarts":0,"cpuSeconds":1.5,"memory":42000000},` +
		`{"name":"Worker-2","tasks":7,"restarts":5,"cpuSeconds":0.02,"memory":9000000}],` +
		`"task":{"samples":4,"p50Seconds":0.0015,"p99Seconds":0.012},` +
		`"top":[{"word":"the","count":7},{"word":"<&\"","count":3},{"word":"a\u001b[2J","count":2},` +
		`{"word":"\ufffd","count":1},{"word":"für","count":1}]}` + "\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", &b, want)
	}
	var back report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back.Totals != sample.Totals || !reflect.DeepEqual(back.Top[0], sample.Top[0]) {
		t.Errorf("read back as %+v, %v", back, err)
	}
	b.Reset()
	if err := command.WriteJSON(&b, newReport(command.Totals{}, nil, 0, oneWorker)); err != nil || !strings.Contains(b.String(), `"top":[]`) {
		t.Errorf("got %s, %v", &b, err)
	}
}

func TestTroubleNotesOnce(t *testing.T) {
	var b bytes.Buffer
	trouble := newTrouble(&b)
	trouble.note("/a", errors.New("open /a: no"))
	trouble.note("/a", errors.New("read /a: no"))
	trouble.note("/b", errors.New("open /b: no"))
	if want := "wordcount: open /a: no\nwordcount: open /b: no\n"; b.String() != want || trouble.count() != 2 {
		t.Errorf("%d noted: %q, want %q", trouble.count(), &b, want)
	}
}

// screen is a terminal that remembers what was written to it.
type screen struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

func (s *screen) written() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.String()
}

func TestProgress(t *testing.T) {
	before := goleak.IgnoreCurrent()
	defer func() {
		if err := proctest.LeftGoroutines(before); err != nil {
			t.Error(err)
		}
	}()
	var s screen
	drawn := make(chan struct{}, 1000)
	stop := showProgress(&s, func() (files, lines, bytes int64) {
		drawn <- struct{}{}
		return 1234, 777, 56_000_000
	})
	<-drawn
	<-drawn // the first one has been drawn
	stop()
	text := s.written()
	if !strings.Contains(text, "1234 files, 777 lines, 56 MB") {
		t.Errorf("drawn: %q", text)
	}
	if line := text[strings.LastIndexByte(strings.TrimSuffix(text, "\r"), '\r')+1:]; strings.TrimSpace(line) != "" {
		t.Errorf("the bar is not removed: %q", text)
	}
}

func TestNoTerminal(t *testing.T) {
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if isTerminal(f) {
		t.Error("the null device is a terminal")
	}
}
