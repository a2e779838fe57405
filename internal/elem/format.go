package elem

import (
	"strconv"
	"strings"
)

// String returns the PEP 3118 format string of l. Equal layouts have equal strings.
func (l *Layout) String() string {
	return string(l.appendFormat(nil))
}

func (l *Layout) appendFormat(b []byte) []byte {
	for i, n := range l.Dims {
		b = append(b, "(,"[min(i, 1)])
		b = strconv.AppendInt(b, n, 10)
	}
	if len(l.Dims) > 0 {
		b = append(b, ')')
	}
	if l.Code != "" {
		// ctypes writes the order for single bytes, too.
		return append(append(b, orderCode(l.BigEndian)), l.Code...)
	}
	b = append(b, "T{"...)
	end := int64(0)
	for i := range l.Fields {
		f := &l.Fields[i]
		b = appendPadding(b, f.Offset-end)
		b = f.Layout.appendFormat(b)
		b = append(b, ':')
		b = append(b, f.Name...)
		b = append(b, ':')
		end = f.Offset + f.Layout.Size
	}
	b = appendPadding(b, l.Unit-end)
	return append(b, '}')
}

func orderCode(big bool) byte {
	if big {
		return '>'
	}
	return '<'
}

// appendPadding writes n bytes of padding: one x each as NumPy does, but a count as ctypes does
// when there are more than alignment can cause, so that a large blank field stays short.
func appendPadding(b []byte, n int64) []byte {
	if n <= 8 {
		return append(b, strings.Repeat("x", int(n))...)
	}
	return append(strconv.AppendInt(b, n, 10), 'x')
}
