package manager

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
)

// A link8 names an exclusive object on which a method runs: the chain of a call are those on which
// it would wait for itself, in any process.
type link8 struct{ incarnation, serial uint64 }

const (
	linkBytes = 16
	maxChain  = 64
)

// chainKey leads from the context of a method to the chain of calls that it makes.
type chainKey struct{}

// chainOf is the chain of a call under ctx.
func chainOf(ctx context.Context) []link8 {
	if ctx == context.Background() {
		return nil
	}
	chain, _ := ctx.Value(chainKey{}).([]link8)
	return chain
}

// prependChain puts the chain in front of an argument.
func prependChain(chain []link8, arg []byte) []byte {
	b := make([]byte, 0, 1+linkBytes*len(chain)+len(arg))
	b = append(b, byte(len(chain)))
	for _, l := range chain {
		b = binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(b, l.incarnation), l.serial)
	}
	return append(b, arg...)
}

// takeChain takes the chain from the argument.
func (c *serverCall) takeChain() error {
	if len(c.arg) == 0 || len(c.arg) < 1+linkBytes*int(c.arg[0]) || c.arg[0] > maxChain {
		return errProtocol
	}
	n := int(c.arg[0])
	b := c.arg[1:]
	for range n {
		c.chain = append(c.chain, link8{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])})
		b = b[linkBytes:]
	}
	c.arg = b
	c.h.Flags &^= flagChain
	return nil
}

// takeTurn waits until the call may run on its exclusive object.
//
// Errors: [ErrExclusive], the cause of the end of the call's context.
func (c *serverCall) takeTurn() error {
	me := link8{c.e.s.incarnation, c.o.serial}
	if slices.Contains(c.chain, me) {
		return fmt.Errorf("%w: object %d of type %q", ErrExclusive, c.o.serial, c.o.t.name)
	}
	if len(c.chain) == maxChain {
		return fmt.Errorf("a call through %d exclusive objects: too many", maxChain)
	}
	select {
	case <-c.o.turn:
	case <-c.ctx.Done():
		return context.Cause(c.ctx)
	}
	c.ctx = context.WithValue(c.ctx, chainKey{}, append(slices.Clip(c.chain), me))
	return nil
}
