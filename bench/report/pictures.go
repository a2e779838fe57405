package main

import (
	"strconv"
	"strings"
)

// A picture is one figure of the report: what is measured for it, and how it is drawn.
type picture struct {
	name    string
	title   string
	caption string // what the reader sees in it
	panels  []panel
	runs    []benchRun
	read    func(r result) []sample
}

// A panel is one pair of axes.
type panel struct {
	name          string
	title         string
	x, y          string // labels, with units
	logX, logY    bool
	ticksX        []tick // nil: found by the range
	fromY0, to100 bool
	time          bool // y is in nanoseconds, and its ticks are in units of time
	tableOnly     bool // has no axes
}

// A tick is a place on an axis, and what it is called.
type tick struct {
	at    float64
	label string
}

// A benchRun is a run of the benchmarks: a pattern of -bench and a -benchtime.
type benchRun struct{ pattern, time string }

// A sample is one measured point of one turn.
type sample struct {
	picture, panel, series string
	x, y                   float64
}

var pictures = []picture{
	{
		name: "roundtrip", title: "64 bytes there and back",
		caption: "Percentiles of single round trips between two processes, each on a core of its own. Left, both sides spin; right, " +
			"each message finds its receiver asleep. C is the same protocol by hand, without checks, and survives no death.",
		panels: []panel{
			{name: "spin", title: "both sides spin", x: "percentile", y: "round trip", logX: true, logY: true, time: true, ticksX: nines},
			{name: "asleep", title: "the receiver sleeps", x: "percentile", y: "round trip", logX: true, logY: true, time: true, ticksX: nines},
		},
		runs: []benchRun{{`^BenchmarkRoundTrip$/^kind=(spsc|queue|pipe)$/^payload=64B$/^wait=(spin|asleep)$/^impl=(shmkit|c|boost-lockfree|unix-socket)$`, "2x"}},
		read: readRoundTrip,
	},
	{
		name: "throughput", title: "One way, by the size of messages",
		caption: "One process sends, one receives, as fast as they can; both copy each message. Python's pipe is measured with " +
			"64 bytes only.",
		panels: []panel{{name: "all", x: "message, bytes", y: "MB/s", logX: true, logY: true, ticksX: sizes}},
		runs: []benchRun{
			{`^BenchmarkThroughput$`, "2x"},
			{`^BenchmarkStream$/^kind=pipe$/^topology=1p1c$/^batch=1$/^impl=python-pipe$`, "2x"},
		},
		read: readThroughput,
	},
	{
		name: "lock", title: "A lock and an increment, by processes",
		caption: "Time for one increment under the lock, by whichever process. Beyond two, the processes share two cores.",
		panels:  []panel{{name: "all", x: "processes", y: "time of an increment", logX: true, logY: true, time: true, ticksX: numbers(1, 2, 4, 8)}},
		runs:    []benchRun{{`^BenchmarkLockCrowd$`, "1x"}},
		read:    readLock,
	},
	{
		name: "pool", title: "What is left of the workers' time for the work",
		caption: "Two workers map tasks of a length. 100 % would be tasks without any cost of the pool. Goroutines have no process border.",
		panels: []panel{{name: "all", x: "length of a task, µs", y: "efficiency, %", logX: true, to100: true, fromY0: true,
			ticksX: []tick{{1, "1"}, {10, "10"}, {100, "100"}, {1000, "1 000"}, {10000, "10 000"}, {100000, "100 000"}}}},
		runs: []benchRun{{`^BenchmarkMapLength$`, "2x"}},
		read: readPool,
	},
	{
		name: "recovery", title: "After a SIGKILL",
		caption: "The part of deaths after which work went on within a time: until the next process has the dead one's lock, and until " +
			"the result of the dead worker's task is there. multiprocessing is not in the picture: its lock and its task never come back.",
		panels: []panel{{name: "all", x: "time after the kill, ms", y: "work goes on, % of deaths", logX: true, fromY0: true, to100: true}},
		runs:   []benchRun{{`^BenchmarkRecoverAfterKill$/^impl=(shmkit|glibc-robust)$`, "1x"}, {`^BenchmarkWorkerReplaced$`, "2x"}},
		read:   readRecovery,
	},
	{
		name: "flat", title: "What does not grow",
		caption: "Operations of one process beside others that are attached, and in a segment with many objects; and what a pool of two " +
			"workers costs that has nothing to do.",
		panels: []panel{
			{name: "processes", title: "attached processes", x: "processes", y: "time of an operation", logX: true, logY: true, time: true, ticksX: numbers(1, 16, 64, 256)},
			{name: "objects", title: "objects in the segment", x: "objects", y: "time of an operation", logX: true, logY: true, time: true, ticksX: numbers(1, 1000, 100000)},
			{name: "idle", x: "idle pool", y: "% of one processor", ticksX: []tick{{1, "parent"}, {2, "both workers"}}, tableOnly: true},
		},
		runs: []benchRun{{`^BenchmarkFlat$`, "20ms"}, {`^BenchmarkPoolIdle$`, "2x"}},
		read: readFlat,
	},
}

var (
	nines = []tick{{2, "50"}, {10, "90"}, {100, "99"}, {1000, "99.9"}, {10000, "99.99"}}
	sizes = []tick{{64, "64"}, {1 << 10, "1 Ki"}, {64 << 10, "64 Ki"}, {1 << 20, "1 Mi"}}
)

// numbers are ticks that are called by their numbers.
func numbers(at ...float64) (ticks []tick) {
	for _, x := range at {
		ticks = append(ticks, tick{x, strconv.FormatFloat(x, 'f', -1, 64)})
	}
	return ticks
}

// quantilesOf calls f for each percentile of a result, in percent.
func (r result) quantilesOf(f func(percent, ns float64)) {
	for unit, ns := range r.values {
		name, ok := strings.CutSuffix(unit, "-ns")
		if !ok || !strings.HasPrefix(name, "q") {
			continue
		}
		if percent, err := strconv.ParseFloat(name[1:], 64); err == nil {
			f(percent, ns)
		}
	}
}

func readRoundTrip(r result) (samples []sample) {
	series := map[string]string{
		"spsc/shmkit": "SPSC", "queue/shmkit": "Queue", "pipe/shmkit": "Pipe", "spsc/c": "C, by hand",
		"spsc/boost-lockfree": "Boost lockfree", "pipe/unix-socket": "unix socket",
	}[r.keys["kind"]+"/"+r.keys["impl"]]
	if series == "" {
		return nil
	}
	r.quantilesOf(func(percent, ns float64) {
		if percent >= 50 {
			samples = append(samples, sample{panel: r.keys["wait"], series: series, x: 100 / (100 - percent), y: ns})
		}
	})
	return samples
}

func readThroughput(r result) []sample {
	if r.base == "Stream" {
		return []sample{{panel: "all", series: "Python Pipe", x: 64, y: 64 / r.values["ns/op"] * 1e3}}
	}
	bytes := map[string]float64{"64B": 64, "1KiB": 1 << 10, "64KiB": 64 << 10, "1MiB": 1 << 20}[r.keys["payload"]]
	series := map[string]string{
		"shmkit-spsc": "SPSC", "shmkit-bytes": "Bytes", "shmkit-pipe": "Pipe", "unix-socket": "unix socket", "os-pipe": "OS pipe",
	}[r.keys["impl"]]
	return []sample{{panel: "all", series: series, x: bytes, y: r.values["MB/s"]}}
}

func readLock(r result) []sample {
	series := map[string]string{"shmkit": "Mutex", "glibc-robust": "glibc, robust", "glibc": "glibc, not robust", "python": "Python Lock"}[r.keys["impl"]]
	return []sample{{panel: "all", series: series, x: number(r.keys["procs"]), y: r.values["ns/op"]}}
}

func readPool(r result) []sample {
	series := map[string]string{
		"shmkit": "Pool", "local": "goroutines", "python-fork": "Python Pool", "python-executor": "ProcessPoolExecutor",
	}[r.keys["impl"]]
	us := map[string]float64{"1us": 1, "10us": 10, "100us": 100, "1ms": 1000, "10ms": 10000, "100ms": 100000}[r.keys["length"]]
	return []sample{{panel: "all", series: series, x: us, y: r.values["efficiency-%"]}}
}

func readRecovery(r result) (samples []sample) {
	series := map[string]string{
		"RecoverAfterKill/shmkit": "lock: Mutex", "RecoverAfterKill/glibc-robust": "lock: glibc, robust",
		"WorkerReplaced/shmkit": "task: Pool", "WorkerReplaced/os-exec": "a process anew: os/exec",
	}[r.base+"/"+r.keys["impl"]]
	// The percentile is the place on the first axis until the samples of all turns are joined: the
	// time is what varies between turns.
	r.quantilesOf(func(percent, ns float64) {
		samples = append(samples, sample{panel: "all", series: series, x: percent, y: ns / 1e6})
	})
	return samples
}

func readFlat(r result) []sample {
	if r.base == "PoolIdle" {
		series := map[string]string{"shmkit": "Pool", "python-fork": "Python Pool", "python-executor": "ProcessPoolExecutor"}[r.keys["impl"]]
		return []sample{
			{panel: "idle", series: series, x: 1, y: r.values["parent-cpu-%"]},
			{panel: "idle", series: series, x: 2, y: r.values["workers-cpu-%"]},
		}
	}
	series := map[string]string{"lock": "Lock, Unlock", "put-get": "Put, Get", "open": "look for an object"}[r.keys["op"]]
	for _, panel := range []string{"processes", "objects"} {
		if n, ok := r.keys[panel]; ok {
			return []sample{{panel: panel, series: series, x: number(n), y: r.values["ns/op"]}}
		}
	}
	return nil
}

func number(s string) float64 {
	f, _ := strconv.ParseFloat(s, 64) // the names of rows are the benchmarks' own
	return f
}
