package logwire

import (
	"encoding/binary"
	"encoding/json"
	"log/slog"
	"math"
	"time"
)

// A reader takes a record apart. Bytes that make no sense set bad, and then everything is zero.
type reader struct {
	rest []byte
	bad  bool
}

// fail ends the record.
func (in *reader) fail() { in.rest, in.bad = nil, true }

// take takes n bytes, or nil.
func (in *reader) take(n uint64) []byte {
	if n > uint64(len(in.rest)) {
		in.fail()
		return nil
	}
	b := in.rest[:n]
	in.rest = in.rest[n:]
	return b
}

func (in *reader) byte() byte {
	if b := in.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (in *reader) uint() uint64 {
	v, n := binary.Uvarint(in.rest)
	if n <= 0 {
		in.fail()
		return 0
	}
	in.rest = in.rest[n:]
	return v
}

func (in *reader) int() int64 {
	v, n := binary.Varint(in.rest)
	if n <= 0 {
		in.fail()
		return 0
	}
	in.rest = in.rest[n:]
	return v
}

func (in *reader) text() string { return string(in.take(in.uint())) }

// time is a time as it was shown where it comes from. What is local there and here alike is local.
func (in *reader) time() time.Time {
	sec, nsec, offset := in.int(), in.uint(), in.int()
	if nsec >= uint64(time.Second) || offset < -24*3600 || offset > 24*3600 {
		in.fail()
		return time.Time{}
	}
	t := time.Unix(sec, int64(nsec))
	if offset == 0 {
		return t.UTC()
	}
	if _, here := t.Zone(); int64(here) == offset {
		return t
	}
	return t.In(time.FixedZone("", int(offset)))
}

// attrs are the attributes up to the end of a group, which lies in so many others.
func (in *reader) attrs(depth int) []slog.Attr {
	var attrs []slog.Attr
	for len(in.rest) > 0 {
		token := in.byte()
		if token == tokenGroupEnd {
			if depth == 0 {
				in.fail()
			}
			return attrs
		}
		key := in.text()
		attrs = append(attrs, slog.Attr{Key: key, Value: in.value(token, depth)})
	}
	return attrs
}

func (in *reader) value(token byte, depth int) slog.Value {
	switch token {
	case tokenGroup:
		if depth < 2*maxDepth {
			return slog.GroupValue(in.attrs(depth + 1)...)
		}
	case tokenString:
		return slog.StringValue(in.text())
	case tokenInt:
		return slog.Int64Value(in.int())
	case tokenUint:
		return slog.Uint64Value(in.uint())
	case tokenFloat:
		if b := in.take(8); b != nil {
			return slog.Float64Value(math.Float64frombits(binary.LittleEndian.Uint64(b)))
		}
	case tokenBool:
		return slog.BoolValue(in.byte() != 0)
	case tokenDuration:
		return slog.DurationValue(time.Duration(in.int()))
	case tokenTime:
		return slog.TimeValue(in.time())
	case tokenAny:
		if v := (printed{in.text(), in.text()}); v.json != "" {
			return slog.AnyValue(v)
		}
		return slog.Value{}
	case tokenBytes:
		return slog.AnyValue([]byte(in.text()))
	case tokenJSON:
		return slog.AnyValue(json.RawMessage(in.text()))
	}
	in.fail()
	return slog.Value{}
}
