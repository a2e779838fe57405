// Package queue passes messages between processes, through rings in shared memory.
//
//	[Queue]      values of fixed size, any number of producers and consumers
//	[SPSC]       values of fixed size, one producer and one consumer: the fastest
//	[Bytes]      messages of any length, any number of producers and consumers
//	[Objects]    Go values of any type that can be encoded, over a Bytes
//	[Broadcast]  values of fixed size, to any number of readers, each of which gets all
//
// [BroadcastBytes] and [BroadcastObjects] are to a Broadcast what Bytes and Objects are to a Queue.
//
// Package pipe has streams of bytes: connections and listeners in the sense of package net.
//
// A [Queue] is made once, by name, in a segment of the package shm, and opened by any number of
// processes. Any number of goroutines in each of them may put and get at once. This program puts
// two messages and gets them; any other process that opens the queue by its name can do either.
//
//	package main
//
//	import (
//		"bytes"
//		"context"
//		"fmt"
//		"log"
//
//		"github.com/shmkit/shmkit/queue"
//		"github.com/shmkit/shmkit/shm"
//	)
//
//	// Order is a message: of fixed size, so that it can lie in shared memory.
//	type Order struct {
//		Item   [16]byte
//		Amount int64
//	}
//
//	func main() {
//		seg, err := shm.OpenOrCreate("orders", shm.Options{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		defer seg.Close()
//		q, err := queue.NewQueue[Order](seg, "incoming", 1024, queue.Options{})
//		if err != nil {
//			log.Fatal(err)
//		}
//		ctx := context.Background()
//		for i, item := range []string{"salt", "tea"} {
//			order := Order{Amount: int64(i + 1)}
//			copy(order.Item[:], item)
//			if err := q.Put(ctx, order); err != nil { // waits for room
//				log.Fatal(err)
//			}
//		}
//		for range 2 {
//			order, err := q.Get(ctx) // waits for a message
//			if err != nil {
//				log.Fatal(err)
//			}
//			fmt.Printf("%d of %s\n", order.Amount, bytes.TrimRight(order.Item[:], "\x00"))
//		}
//	}
//
// # What each kind can do
//
// All kinds have the same methods, as far as they make sense there:
//
//	                        Queue   SPSC    Bytes  Objects  Broadcast
//	Put                     yes     yes     yes    yes      yes
//	TryPut                  yes     yes     yes    yes      yes
//	PutBatch                yes     yes     yes    yes      yes
//	Reserve, Commit, Abort  yes     yes     yes    no (1)   yes
//	Get, TryGet, GetBatch   yes     yes     yes    yes      of each Reader
//	Peek, Release           yes     yes     yes    no (1)   of each Reader, not with DropOldest
//	All                     yes     yes     yes    yes      of each Reader
//	Len                     yes     yes     yes    yes      of each Reader
//	Cap, in                 values  values  bytes  bytes    values
//	Close, Closed, Reopen   yes     yes     yes    yes      yes
//	TaskDone, Join          yes     no (2)  yes    yes      no: no process knows all readers
//	Stats                   yes     yes     yes    yes      without Got and HighWater
//	DropNewest              yes     yes     yes    yes      yes
//	DropOldest              yes     no (3)  yes    yes      yes; a BroadcastBytes no
//
//	(1) a Go value is encoded and decoded: it never lies in shared memory
//	(2) there is one consumer, which can tell by a message what is done
//	(3) only its consumer takes messages out
//
// Under a context that has ended nothing waits: so Reserve and Peek are their own TryReserve and
// TryPeek.
//
// # The ring
//
// Each message has a position, counted from the first that was ever put. The position tells its
// slot in the ring, and its lap: which time round the ring it is. A slot has a state word. A
// process claims the slot there, by a compare-and-swap that writes down its owner id:
//
//	#  phase    owner  lap  meaning                          next
//	0  empty    -      l    free for the message of lap l    a producer claims it -> 1
//	1  writing  p      l    p copies the message in          p publishes it -> 2; p is dead: skipped -> 0, lap l+1
//	2  full     -      l    the message waits                a consumer claims it -> 3
//	3  reading  c      l    c copies the message out         c frees it -> 0, lap l+1; c is dead: freed -> 0, lap l+1
//
// A claim needs the compare-and-swap. What ends a claim is a plain release store: as long as its
// owner lives, no other process changes the word, and the other goroutines of the owner's process
// leave claims alone, too.
//
// The two ends of the queue, put and get, are only hints where to search: no earlier position is
// free to be claimed. A search goes from there over the positions that are taken to the
// first that is not, so that claims are made in the order of positions. A process remembers how far
// it has come, and moves the hint on at every eighth position only, or once in a lap where a lap is
// shorter. So a hint is behind by a few positions, and each slot can only be in a few states, seen
// from there; anything else is reported as [shm.ErrCorrupt].
//
// Laps have 32 bits and wrap; they are compared by their signed difference. Only a process that
// sleeps between two instructions for a multiple of 2³² laps exactly could take one lap for
// another.
//
// # Waiting
//
// Put and Get first spin, unless spinning failed lately, and then sleep in the kernel. A change of
// the queue costs one load to find out that no waiter sleeps. In a stream of messages waiters let a
// few gather before they look again; in a conversation they look at once. A sleeper that
// waits for a certain process to finish its copy sleeps on that process's life, too.
//
// # Deaths
//
// A process may be killed at any instruction. What its death does to the others:
//
//	it is killed                              the others
//	before it claims a slot                   notice nothing
//	while it writes its message               skip the position, in its turn; count it as abandoned
//	after it has published its message        get the message; a sleeper for it looks within a second
//	while it copies a message out             have lost that one message; count it as abandoned when its slot is needed
//	after it has freed the slot               never see that message; a sleeper for room looks within a second
//	between a claim and moving the hint       move the hint when they pass its position, or the next where it is moved
//	while it waits                            notice nothing
//	after it has freed a dead one's slot      may miss that one in the count
//	while it closes the queue                 find it closed, within a second, or not
//	while it has a place reserved             skip the position; count it as abandoned
//	while it looks at a message               have lost that one message; count it as abandoned when its slot is needed
//	while it drops the oldest message         have lost that one; it counts as dropped, as abandoned, or not at all
//	in a batch                                see its messages one by one, each as above
//	between taking a message and TaskDone     do not wait for it in Join; a sleeper there looks within a second
//
// A full queue of which a dead producer has the oldest position needs no consumer to go on: the
// next producer skips that position.
//
// A process that is stopped (SIGSTOP, a debugger) lives. Its claims are waited for: the messages
// behind its own have to wait, and so has the producer that comes to its slot one lap later.
//
// # Tasks
//
// In a queue that was made with Options.Joinable each process counts, in a place of its own, the
// messages that it has taken and has not reported by [Queue.TaskDone]. It counts a message before
// it claims it, so that [Queue.Join] finds each one in the queue or in a count; the counts of dead
// processes do not matter. Other queues pay nothing for this.
//
// # SPSC
//
// An [SPSC] has a tail, which only its producer moves, and a place up to which its consumer has
// read. Both look at the other's word only when they have come to the end of what they know. There
// are no claims: the two processes that have the roles own what lies on their side. Before it
// writes, the producer says how far it has begun; so a consumer that finds the queue closed knows
// whether something is still on its way.
//
//	it is killed                                        the others
//	before it has a role                                notice nothing
//	the producer, while it writes or has reserved       do not see these messages; its successor counts them as abandoned
//	the producer, when they are published               get them; a sleeper for them looks within a second
//	a successor, before it has counted those            are not told of them by a count
//	the consumer, before it has copied a message        see that one again: its successor gets it
//	the consumer, when it has said that it is read      never see that message: it was the dead one's
//	a process that closes the queue                     find it closed, within a second, or not
//
// A role is taken over by the next process that puts, or gets, and not before its owner is dead or
// has closed the segment. A process that is stopped lives: others get [ErrRoleTaken].
//
// # Broadcasts
//
// A [Broadcast] sends each message to all readers that have subscribed, and loses none: a put waits
// while the slowest reader of a living process has Cap messages to read. Package cast below
// internal/ring has the protocol. Each reader has a cell with its state and how far it has come;
// a message is there for all with one store.
//
//	it is killed                                     the others
//	the writer, while it writes a message            do not see that message; the next writer counts it as abandoned
//	the writer, when the message is complete         see it at once; with Many, sleepers look within a second
//	a reader, whatever it does                       go on: a put that waits for it is woken by its death
//	a reader that closes, or subscribes              the same
//
// A reader that is stopped, or does not read, is waited for, under the contexts of the puts, or for
// [Options.Patience]. Then it is expelled, and told by [ErrExpelled], also when it releases a
// message that it looked at in place: before that, nothing was lost. The time runs only while a put
// waits for that reader, and at most an eighth of it for each sleep of the put: a writer that is
// stopped itself expels no reader.
//
// A goroutine that both reads and puts may wait for itself. With [Many] a writer that is stopped
// while it writes holds up the other writers.
//
// With [DropOldest] the writer of a Broadcast goes round the ring and waits for no reader. Each
// slot has a sequence number, odd while the message is being written; a reader copies the message
// and then looks whether it was overwritten meanwhile. Each reader knows its own position, and
// finds out by itself how many messages it has lost.
//
//	it is killed                                     the others
//	the writer, while it writes a message            do not see that message; the next writer counts it as abandoned
//	the writer, when the message is complete         see it; sleepers look within a second
//	the writer, in a batch                           see its messages one by one, each as above
//	a reader, or one that waits                      notice nothing
//
// # Bytes and Objects
//
// A [Bytes] is a ring of records of any length, one behind the other. A producer claims the place
// of a record under a lock, and copies its message under none; a consumer does the same at the
// other end, under another lock. The locks are held for nanoseconds, and survive their holders. An
// [Objects] encodes what it puts into a Bytes, before it claims a place.
//
//	it is killed                                    the others
//	while it claims a place, or a message           go on as if it had not, or had; a count may lack one
//	while it writes its message                     skip the record; count it as abandoned
//	while it copies a message out                   have lost that one message; count it as abandoned when its place is needed
//	while it waits                                  notice nothing
//
// A process that is stopped within the nanoseconds in which it holds a lock holds up that end of
// the queue: others wait for it under their contexts, and calls that do not wait say that the queue
// is full, or empty.
//
// # Caveats
//
// [Queue.TryGet] reports an empty queue while the oldest message is still being copied in, and
// [Queue.TryPut] a full one while the oldest is being copied out. With one producer, and one
// consumer, that cannot be told from the truth.
//
// Each slot is as large as the message and 8 bytes more. All processes see the same order, but two
// messages that are put at the same time may come in either.
//
// # How the ends of a ring see each other
//
// Each kind's ring is a package below internal/ring: mpmc is that of a Queue, spsc of an SPSC,
// record of a Bytes, cast of the broadcasts and seqlock of a Broadcast with DropOldest.
//
// A put publishes with a store, and a get frees with one: none is a locked instruction, unless a
// waiter has asked for that. The bell that a waiter sleeps on is the internal package lock's.
//
//	access                  order                     pairs with               without it
//	value, then tail or     release store (MOV,       the load of tail or      a get copies what is not
//	state of the slot       STLR) of the second       state: acquire           written yet
//	copy, then read, freed  release store of the      the load by a put        a put writes over what is
//	or state                second                                             being copied
//	tail, read or state,    as the bell asks: a       the waiter arms the      a waiter sleeps although
//	then the bell           plain load, or a locked   bell, and looks again    there is a message, or room
//	                        instruction on the bell
//	begun, then closed      store, then load; a       closed, then the         the end of the queue is told
//	                        membarrier of the         barrier, then begun      while a put goes on
//	                        closer, and one of the
//	                        consumer
//	read, then wanted       a locked instruction on   wanted, then the bell    a writer of a pipe sleeps for
//	                        the bell, if not quiet    is armed, then read      room that it has
//	role, after a death     membarrier, once for a    the last store of the    a put of the dead comes after
//	                        death; compare-and-swap   dead                     the heir's first
//
// internal/model searches these orders in ring-sleep.pml and sleep.pml, with a mistake for each.
package queue
