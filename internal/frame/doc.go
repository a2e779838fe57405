// Package frame cuts a connection into messages that keep their borders. The typed connections of
// package pipe and package manager speak in frames.
//
//	[Head]      what stands before the payload of each frame
//	[Reader]    takes frames from a connection; an interrupted read goes on where it stopped
//	[Writer]    writes the frames of many goroutines, several at once where they come together
//	[Assembly]  puts the pieces of a large payload together
//
// A payload of more than [MaxPayload] bytes travels in pieces, so that the small frames of other
// goroutines go between them: all but the last piece are frames of the kind [Chunk], with the call
// number of the whole.
//
// # The bytes of a frame
//
//	offset  bytes  field
//	0       4      length of the payload, at most MaxPayload
//	4       1      kind
//	5       1      flags
//	6       2      method
//	8       8      call
//	16      8      object: serial number
//	24      8      object: incarnation of its server
//	32      8      time left until the deadline in nanoseconds, 0: no deadline
//	40             payload
//
// All numbers are little-endian. A [Reader] checks the length before it makes room, and its user
// checks all else.
package frame
