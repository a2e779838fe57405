package manager

import (
	"encoding/binary"
	"fmt"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/frame"
)

// admin does what a request other than a call asks for.
func (c *serverCall) admin() {
	var o *object
	var err error
	s := c.e.s
	switch c.h.Kind {
	case kindNew, kindNamed:
		o, err = c.openObject()
		var f failure
		if err != nil {
			if f = failureOf(err); classOf(err) != failedServer {
				f = serverFailure(classOf(err), err)
			}
			c.fail(f)
			return
		}
		c.reference(o)
		return
	case kindRemove:
		removed := byte(0)
		if s.remove(string(c.arg)) {
			removed = 1
		}
		c.result([]byte{removed}, nil)
		return
	case kindPin:
		c.e.mu.Lock()
		o = c.e.use(&c.h)
		c.e.mu.Unlock()
		if o == nil {
			err = fmt.Errorf("%w: object %d", ErrGone, c.h.Object)
			break
		}
		t := s.pin(o)
		s.drop(o, 1)
		c.result(t[:], nil)
		return
	case kindRedeem:
		if len(c.arg) == len(token{}) && c.h.Incarnation == s.incarnation {
			o = s.redeem(token(c.arg))
		}
		if o != nil {
			c.reference(o)
			return
		}
		err = fmt.Errorf("%w: the reference was on its way for too long, or its object has been released", ErrGone)
	case kindList:
		b, err := wire.Encode(s.list())
		c.result(b, err)
		return
	}
	c.fail(serverFailure(classOf(err), err))
}

// openObject opens an object, or finds that of a name. The payload begins with the length of the
// name and of the name of the type.
func (c *serverCall) openObject() (*object, error) {
	var texts [2]string
	b := c.arg
	for i := range texts {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > uint64(len(b)-size) {
			return nil, errProtocol
		}
		texts[i], b = string(b[size:][:n]), b[size+int(n):]
	}
	registry.RLock()
	t := registry.types[texts[1]]
	registry.RUnlock()
	if t == nil || t.open == nil {
		return nil, fmt.Errorf("%w: type %q", errNoMethod, texts[1])
	}
	b = frame.Value(c.h.Flags, b)
	s := c.e.s
	if c.h.Kind == kindNamed {
		return s.named(c.ctx, t, texts[0], b)
	}
	value, err := t.openObject(c.ctx, b)
	if err != nil {
		return nil, err
	}
	return s.add(t, value), nil
}
