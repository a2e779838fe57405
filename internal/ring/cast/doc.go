// Package cast is a ring that sends each message to all readers and loses none: its writers wait
// for the slowest reader of a living process. Messages have a fixed size, or any length.
//
// # Positions
//
// Positions count messages of fixed size, or bytes, from the first that was ever used. A message of
// position p lies at p modulo the capacity. One process has the role of the writer, or processes
// take turns under a robust lock, from the claim of a message to its commit. A reader owns a cell:
// a state word, and a cursor on cache lines of its own. Always
//
//	cursor of each live reader <= tail <= begun <= limit <= least cursor + capacity
//
// A writer writes up to the limit without a look at the readers. When that is used up it looks at
// the slowest reader alone, and at all of them only when that one has passed the second slowest, or
// when a reader has subscribed. Nothing lowers the limit: a late subscriber begins inside of it. So
// readers that keep up cost one look for each turn of the ring, and a Put has no locked
// instruction.
//
// # A put, and what a death leaves behind
//
//	step    what is done                                       killed after it, the others
//	enter   role by CAS, or lock                               take the role, or get the lock with the death
//	adopt   next = tail; a begun message counts as abandoned   may count one too few
//	look    limit raised; locked add; changes unmoved          a limit too high: late readers see less, the next writer does not trust it
//	await   awaited = {cell, position}; sleep                  one wake-up that no sleeper needs
//	claim   begun = end of the message; closed? take it back   count it as abandoned; a reader that waits at a close is woken by the death
//	fill    in place, or a copy                                never see it, and write over it
//	commit  tail = end                                         see it; readers of one writer sleep on its life, too; with many the next writer wakes them
//	tell    wake readers that sleep                            the same
//	leave   with many: unlock                                  -
//
// A batch commits once. A message of any length that does not fit before the end of the ring is
// committed together with the gap before it.
//
// # A reader, and what a death leaves behind
//
//	step      what is done                                                killed after it, the others
//	claim     state = joining, by CAS, with the next turn                 notice nothing; a later subscriber takes the cell
//	place     cursor = tail, or limit-capacity for the oldest             the same
//	subscribe state = live, changes + 1, tail or limit again              free the cell when it is in their way; a writer that waits
//	                                                                      for it is woken by the death
//	get       copy, or look in place; state as before, else expelled      the same
//	commit    cursor = end                                                the same
//	wake      a writer that waits for this cell, and has come far enough  the same
//	leave     state = free, by CAS                                        are not held up; a sleeping writer is woken by the death
//
// A reader that a put has waited for, and whose cursor stood, for longer than the patience of the
// broadcast is expelled by a compare-and-swap of its state. It looks at its state after each copy,
// so that it never returns a torn message.
//
// # Order
//
//	pair                                                     amd64                         arm64
//	message, tail -> tail, message                           stores, loads in order        STLR -> LDAR
//	message read, cursor -> cursor, overwritten              in order                      loads before STLR; LDAR before stores
//	limit, changes (writer) | live, changes, limit (joiner)  a locked add on each side     the same
//	expelled, overwritten -> copy, state                     in order                      CAS and StoreFence; LoadFence
//	awaited, cursor (writer) | cursor, awaited (reader)      exchange; locked add          the same
//	tail, later message -> message, tail (Latest)            in order                      StoreFence; LoadFence
//
// A reader fences before it loads awaited even when it saw the bell armed, which may be so since an
// earlier sleep.
//
// # Words that other processes have overwritten
//
//	head of the creator, high      checked once, or clamped
//	tail, length of a record       loaded once, then checked: ErrCorrupt, or old bytes within the ring
//	cursor, state                  that reader is expelled, or slow; an impossible owner is dead
//	limit, changes, awaited, bells messages lost or wrong, wake-ups late; loops are bounded
package cast
