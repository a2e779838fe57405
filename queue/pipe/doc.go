// Package pipe connects two processes by streams of bytes in shared memory: a [net.Conn] and a
// [net.Listener].
//
//	[Conn]    one end of a pipe, a stream of bytes in each direction
//	[New]     makes a pipe by name in a segment, and takes its first end; [Open] takes the second
//	[Listen]  accepts connections at a name that [Dial] connects to
//	[Typed]   makes a connection of messages of any net.Conn; [ListenTyped] and [DialTyped] make one by an address
//
// A server and a client that know a name:
//
//	l, err := pipe.Listen("echo", pipe.ListenOptions{})
//	…
//	c, err := l.Accept()
//
//	c, err := pipe.Dial(ctx, "echo", pipe.DialOptions{}) // in another process
//
// A [net.Listener] and a [net.Conn] are all that net/http, net/rpc or gRPC need. A process that is
// started by this one gets its end by [Conn.MarshalBinary].
//
// # Streams and ends
//
// A pipe is two rings of bytes, one for each direction. Each ring has one writing process and one
// reading process, for good. [Listen] and [Dial] make pipes between processes that know only a
// name. The dialer makes the pipe and puts its number into the listener's backlog, a [queue.Queue].
// The listener takes the other end and the pipe's name away. A pipe without a name and without a
// living user is freed.
//
// The word of the second end decides, by one compare-and-swap, whether there is a connection: the
// listener takes the end, or a dialer that gives up, or a listener that closes, refuses it. So
// Accept returns the connections for which Dial succeeded, no more and no fewer, and whatever was
// written there, even when the dialer has closed its end before Accept returns.
//
// # Messages
//
// A [TypedConn] carries values instead of bytes, over a pipe, a unix socket or TCP. A message has
// borders: it arrives whole or not at all. What cannot be encoded, or decoded, is an error of that
// message alone, and the connection goes on. With TypedOptions.Key both sides prove that they have
// the same key before anything else is looked at. What arrives is decoded into the declared type:
// it never names code. [TypedConn.Recvs] has one Select wait for several of them, of any kind.
//
// # Deaths
//
// A process may be killed at any instruction. What its death does to the others:
//
//	it is killed                                  the others
//	at one end, whatever it does                  read what it had published, then get io.ErrUnexpectedEOF; their writes fail
//	                                              with EPIPE; a waiter is woken by the death
//	while it writes                               read a beginning of what it wrote, of any length
//	while it reads                                do not find out how much it has read
//	after it has closed its end                   read what it had written, then get io.EOF, as if it lived
//	before it has taken an end                    wait for the process that takes that end
//	a dialer, before it was accepted              do not see it; the listener removes the pipe that it leaves
//	a listener                                    are refused, those that wait included; connections that it has not taken
//	                                              are lost with it; the next Listen takes the name
//	a process that begins or ends to listen       are refused; the next Listen takes the name
//
// A process that leaves the segment without closing its end counts as dead. The end of a dead
// process is never handed on: where in the streams it was is unknown.
//
// A process that is stopped (SIGSTOP, a debugger) lives. Deadlines and contexts bound the wait for
// it.
//
// # Caveats
//
// The other process can write to the shared memory at any time. What a Read has copied is private
// to the caller; what [Conn.WriteTo] hands to its writer is not.
package pipe
