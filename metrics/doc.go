// Package metrics exports what package shmkit's segments and pools hold, for Prometheus and expvar.
//
//	registry.MustRegister(metrics.New(metrics.Options{Segments: []*shm.Segment{seg}, Pools: []*pool.Pool{p}}))
//
// A [Collector] looks when it is asked, and not in between. It reads segments as the tool does:
// without a lock, without a slot, with nothing that another process could notice. So a scrape costs
// the others nothing, and a damaged segment yields fewer series and no crash.
//
// Of segments that other programs use, an exporter needs five lines:
//
//	registry := prometheus.NewRegistry()
//	registry.MustRegister(metrics.New(metrics.Options{Dir: "/dev/shm/shmkit-1000"}))
//	http.Handle("/metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{}))
//	log.Fatal(http.ListenAndServe("127.0.0.1:9100", nil))
//
// docs/operate/metrics.md has a table of all names, and dashboards and alerts beside it.
//
// # Labels
//
//	segment  its name, not its path; of an anonymous one its identity
//	object   its name
//	kind     Mutex, Queue, Dict, …
//	pool     Options.Label of the pool, or its number in [Options]
//
// No label is a process id. The series of an object end with it. Of a segment with more than
// [Options.PerObjectLimit] objects only sums by kind are exported, with an empty label object, and
// shmkit_objects_omitted says how many objects are in them.
//
// The package is a module of its own, so that users of the toolkit do not download Prometheus.
package metrics
