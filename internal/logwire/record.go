// Package logwire is the form in which records of log/slog travel from one process to another.
package logwire

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"
)

// A record travels as these parts, one after the other. Numbers are varints; a text is its length
// in bytes, and the bytes.
//
//	format    1 byte      format
//	process   text
//	time      3 numbers, as appendTime writes them
//	level     number
//	message   text
//	tokens    to the end: attributes, and the borders of groups; a group that has no end lasts to the end
//
// A token is a byte that says what it is, a text that is its key, and its value: by this a handler
// can write the attributes that were added to it once, and needs no memory for a record.
const format = 2

// What a token is. Unrelated programs agree on these numbers.
const (
	tokenGroupEnd = iota // has neither key nor value
	tokenGroup           // no value
	tokenString          // text
	tokenInt             // number
	tokenUint            // number
	tokenFloat           // the bits of a float64, 8 bytes, little-endian
	tokenBool            // 1 byte, 0 or 1
	tokenDuration        // number of nanoseconds
	tokenTime            // as appendTime writes it
	tokenAny             // two texts: of a printed value
	tokenBytes           // text: of a []byte
	tokenJSON            // text: of a json.RawMessage
)

// ProcessKey is the attribute with the process that a record comes from.
const ProcessKey = "process"

// maxDepth is how deep groups can be nested.
const maxDepth = 200

// Append appends r as [Read] reads it: a record of that process, with the tokens of what was added
// to its handler, in which so many groups are open. The source is where it was made; nil if that is
// not to be told.
func Append(b []byte, r slog.Record, process string, source *slog.Source, with []byte, groups int) []byte {
	b = appendText(append(b, format), process)
	b = appendTime(b, r.Time)
	b = binary.AppendVarint(b, int64(r.Level))
	b = appendText(b, r.Message)
	if source != nil {
		b = appendText(appendToken(b, tokenString, slog.SourceKey), fmt.Sprintf("%s:%d", source.File, source.Line))
	}
	b = append(b, with...)
	r.Attrs(func(a slog.Attr) bool {
		b = AppendAttr(b, a, groups)
		return true
	})
	return b
}

// AppendGroup appends the beginning of a group, which lasts to the end of the record.
func AppendGroup(b []byte, name string) []byte { return appendToken(b, tokenGroup, name) }

func appendText(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// appendTime appends seconds since 1970, nanoseconds, and how many seconds east of UTC it is shown.
func appendTime(b []byte, t time.Time) []byte {
	_, offset := t.Zone()
	b = binary.AppendVarint(b, t.Unix())
	b = binary.AppendUvarint(b, uint64(t.Nanosecond()))
	return binary.AppendVarint(b, int64(offset))
}

func appendToken(b []byte, token byte, key string) []byte {
	return appendText(append(b, token), key)
}

// AppendAttr appends the tokens of an attribute that lies in so many groups.
func AppendAttr(b []byte, a slog.Attr, depth int) []byte {
	v := a.Value.Resolve()
	switch v.Kind() {
	case slog.KindString:
		return appendText(appendToken(b, tokenString, a.Key), v.String())
	case slog.KindInt64:
		return binary.AppendVarint(appendToken(b, tokenInt, a.Key), v.Int64())
	case slog.KindUint64:
		return binary.AppendUvarint(appendToken(b, tokenUint, a.Key), v.Uint64())
	case slog.KindFloat64:
		return binary.LittleEndian.AppendUint64(appendToken(b, tokenFloat, a.Key), math.Float64bits(v.Float64()))
	case slog.KindBool:
		is := byte(0)
		if v.Bool() {
			is = 1
		}
		return append(appendToken(b, tokenBool, a.Key), is)
	case slog.KindDuration:
		return binary.AppendVarint(appendToken(b, tokenDuration, a.Key), int64(v.Duration()))
	case slog.KindTime:
		return appendTime(appendToken(b, tokenTime, a.Key), v.Time())
	case slog.KindGroup:
		return appendWholeGroup(b, a.Key, v.Group(), depth+1)
	}
	return appendAny(b, a.Key, v.Any())
}

func appendWholeGroup(b []byte, key string, attrs []slog.Attr, depth int) []byte {
	if depth > maxDepth {
		return appendText(appendToken(b, tokenString, key), "!ERROR: groups are nested too deep")
	}
	b = appendToken(b, tokenGroup, key)
	for _, a := range attrs {
		b = AppendAttr(b, a, depth)
	}
	return append(b, tokenGroupEnd)
}

// appendAny appends what both handlers of slog print for a value; nothing for nil.
func appendAny(b []byte, key string, v any) []byte {
	if bytes, ok := v.([]byte); ok && bytes != nil {
		return appendText(appendToken(b, tokenBytes, key), string(bytes))
	}
	if raw, ok := v.(json.RawMessage); ok && raw != nil {
		return appendText(appendToken(b, tokenJSON, key), string(raw))
	}
	var p printed
	if v != nil {
		p = printedOf(v)
	}
	return appendText(appendText(appendToken(b, tokenAny, key), p.text), p.json)
}

// ErrRecord says that bytes are no record.
var ErrRecord = errors.New("a record makes no sense")

// Read is the record for the handler of the listener.
//
// Errors: the bytes are those of no record, or of another format.
func Read(b []byte) (slog.Record, error) {
	in := reader{rest: b}
	if f := in.byte(); f != format {
		return slog.Record{}, fmt.Errorf("%w: format %d", ErrRecord, f)
	}
	process := in.text()
	r := slog.NewRecord(in.time(), 0, "", 0)
	r.Level, r.Message = slog.Level(in.int()), in.text()
	r.AddAttrs(slog.String(ProcessKey, process))
	r.AddAttrs(in.attrs(0)...)
	if in.bad {
		return slog.Record{}, ErrRecord
	}
	return r, nil
}
