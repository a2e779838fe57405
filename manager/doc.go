// Package manager keeps Go objects in one process, and lets others call their methods: for what
// cannot live in shared memory, such as connections, files, indexes, and anything with pointers.
// What has a fixed size is better in package shm: a shm.Dict is hundreds of times as fast as a
// call.
//
// A package that the server and its clients import declares the types and the methods:
//
//	var (
//		Index  = manager.Define("index", openIndex)
//		Insert = manager.Method(Index, "insert", (*index).Insert)
//		Cursor = manager.Returned[*cursor]("cursor") // a type that methods return
//		Scan   = manager.Maker(Index, "scan", (*index).Scan, Cursor)
//	)
//
//	func main() {
//		pool.Main() // the process of Start is this program, started again
//		m, err := manager.Start(ctx, manager.Options{Name: "search"})
//		…
//		ix, err := Index.New(ctx, m, Config{…}) // or Named, of which there is one for all
//		…
//		defer ix.Close()
//		n, err := Insert.Call(ctx, ix, doc)
//	}
//
// There openIndex is a func(context.Context, Config) (*index, error), and Insert a method with a
// context and one argument, which returns a result and an error.
//
// Others connect by m, err := manager.Dial(ctx, "search", manager.Options{}), also from another
// machine, by TCP with a key and TLS. [Serve] keeps the objects in this process.
//
//	[Method]   clients call it: [Call.Call], [Call.Go]
//	[Maker]    its result stays in the manager: the caller gets a [Ref]
//	[Yields]   its result is an iterator, of which the caller gets the values: [Call.Each]
//
// What is not declared cannot be called. Types and methods are found by name when a process
// connects, and by number at a call. Arguments and results travel as those of package pool; those
// of fixed size are copied only if both builds lay them out in the same way. A Ref may be part of
// them.
//
// # The protocol
//
// A connection begins with a handshake of package internal/handshake. Then frames of package
// internal/frame go both ways. The first one of the server says its incarnation, a random number,
// and what it has defined. Each request of a client has a number, and one answer: a result or an
// error. An iteration has values before its answer. Requests are answered in any order. The client
// sends no more of them at once than Options.Concurrent; a request that its caller has given up
// counts until the server has answered it.
//
//	a connection    the client                              the server
//	greeting        sends greeting and proof                the same; nothing else is looked at before
//	welcome         reads it, compares names and types      sends it
//	open            requests, cancels, releases             answers, values
//	farewell        connects again for new requests         answers what runs, takes nothing new
//	lost            requests get *LostError                 releases references, ends contexts of calls
//
//	a request       the client                              the server
//	sent            waits                                   has it, or not
//	runs            waits, or has given up: sends cancel    its context ends with cancel, deadline, connection
//	answered        frees its number                        has forgotten it
//
//	a reference     counted by the connection that holds it, by a name, by a pin, by a call that runs on its object
//	in transit      a pin keeps it, until the receiver has redeemed it, or for Options.Pin
//	released        by Close, by the garbage collector, by the end of the connection
//
// # Deaths
//
//	it is killed                           the others
//	a client, at any point                 its references are released, the contexts of its calls end
//	a client that has sent half a frame    the same: half a frame is nothing
//	a client with a reference in transit   the pin ends by being redeemed, or after Options.Pin
//	the manager, before it had the call    the call returns a *LostError: it may have run, or not
//	the manager, at any later point        the same; plain references are gone, named ones are found or opened again
//	a process that holds a manager by Dial nothing: the manager lives
//	the parent of Start                    the manager ends, and closes its objects within half a second
//
// No call is ever sent twice. The number of an object is never used again, and has the incarnation
// of its server beside it: a reference of an earlier server gets [ErrGone], never another object.
//
// # Waits
//
// There is no time-out of calls. What bounds a wait is its context; the death of the other process,
// which the kernel tells for shared memory and unix sockets; and Options.Silence, for TCP. A client
// that does not read its results holds up itself alone: the server waits with them, at most
// Options.Concurrent of them, and then stops reading what that client sends.
//
// # Caveats
//
//   - Methods run in goroutines at the same time, also for one object, unless its type is
//     [Exclusive].
//   - A method that has begun goes on when its client has gone, until it heeds its context.
//   - All clients of a manager trust each other: each can end names, and use what it can name.
package manager
