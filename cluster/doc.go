// Package cluster runs the tasks of a pool on many machines.
//
// [New] makes a [pool.Pool] that runs its tasks on hosts. A host is any machine that runs the same
// program, or another one that defines the same tasks, and calls [Serve]. All calls of package pool
// work on it unchanged:
//
//	c, err := cluster.New(ctx, cluster.Options{Listen: ":4222", Secret: secret, MinHosts: 1})
//	…
//	squares, err := pool.Map(ctx, c.Pool, Square, numbers)
//
//	// on each host
//	err := cluster.Serve(ctx, cluster.ServeOptions{Servers: []string{"caller:4222"}, Secret: secret})
//
// Between them is a NATS JetStream server. New starts one in its own process, unless
// Options.Servers names others; [NewServer] starts one alone, for a queue that three servers keep.
//
// # What is promised
//
// Each call gets exactly one result, whatever dies but the caller. The caller keeps each argument
// until its result is there, and submits again what a server or a host has lost.
//
//	what happens                                the task
//	a worker process dies                       as in a pool: runs again, Options.Attempts times
//	a host dies, or is cut off                  runs on another host; Options.HostAttempts times, then *HostLostError
//	a host dies after the result was confirmed  -
//	… after it was sent, before that            is delivered once
//	a host is stopped for longer than a lease   runs twice, is delivered once
//	a host gets a SIGTERM                       finishes there; what has not begun runs on another
//	the server is killed                        goes on when it is there again
//	… and has lost what it stored               is submitted again
//	the caller dies                             is dropped; its context ends
//	it kills its worker again and again         *pool.WorkerDiedError, with the worker's last words
//	it is not defined on a host                 runs on a host that defines it; *UnknownTaskError when there is none
//
// A task runs at least once, and mostly once. What it does outside its result may happen twice, and
// two runs may overlap in time. There is no order between hosts. Nothing outlives the caller.
//
// # Large values
//
// Arguments and results of more than 512 KiB do not pass through the queue: the host asks the
// caller for the bytes of an argument when it is to run the task, and the caller asks the host for
// those of a result.
//
// # Values
//
// [Value], [Counter] and [Lease] are shared by all programs that use a queue. They are kept by the
// server, and are as durable as that is.
//
// # Security
//
// A server listens on loopback alone unless there is a Secret, Credentials or TLS. The secret never
// travels: both sides derive keys from it, one for callers and one for hosts, and a host may not
// submit tasks. Without TLS what travels can be read. A task name that arrives selects a function
// which the program has defined, and nothing else.
//
// # Caveats
//
//   - Handles of shm, shmsync and queue objects mean nothing on another host.
//   - A lease is not a lock: see [Lease].
//   - The number of workers is each host's: [pool.Pool.Resize] returns an error.
package cluster
