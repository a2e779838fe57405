package queue

// startingAt lets a new queue begin at a position, such as one just below a wrap-around.
func (o Options) startingAt(p uint64) Options {
	o.start = p
	return o
}

// beforeLapWrap is the position of a ring of that capacity from which the 32-bit lap wraps within two rounds.
func beforeLapWrap(capacity uint64) uint64 { return (1<<32 - 2) * capacity }

// beforePositionWrap is the position from which the 64-bit position wraps within two rounds.
func beforePositionWrap(capacity uint64) uint64 { return -(2 * capacity) }
