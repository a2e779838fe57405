package elem

import (
	"fmt"
	"unicode"
	"unicode/utf8"
)

// Parse reads a PEP 3118 format string, which may hold anything. Parse takes time and memory linear
// in its length, and returns a valid [Layout] or an error that names the byte where it stopped.
func Parse(format string) (*Layout, error) {
	if len(format) > MaxFormat {
		return nil, fmt.Errorf("type format is %d bytes long, the limit is %d", len(format), MaxFormat)
	}
	p := parser{text: format, bigEndian: bigEndian}
	l, err := p.layout(0)
	if err == nil && p.pos < len(p.text) {
		err = p.errorf("text after the type")
	}
	if err != nil {
		return nil, err
	}
	return &l, nil
}

// parser reads text from pos on. The byte order holds until the next order code, as in Python.
type parser struct {
	text      string
	pos       int
	bigEndian bool
}

func (p *parser) errorf(format string, args ...any) error {
	return fmt.Errorf("type format at byte %d: %s", p.pos, fmt.Sprintf(format, args...))
}

// peek gives the next byte, 0 at the end.
func (p *parser) peek() byte {
	if p.pos < len(p.text) {
		return p.text[p.pos]
	}
	return 0
}

// accept skips c if it is next.
func (p *parser) accept(c byte) bool {
	if p.peek() != c || p.pos == len(p.text) {
		return false
	}
	p.pos++
	return true
}

// layout reads an array, a number or a struct, within depth structs.
func (p *parser) layout(depth int) (l Layout, err error) {
	p.order()
	if p.accept('(') {
		if l.Dims, err = p.dims(); err != nil {
			return l, err
		}
	}
	p.order()
	if p.accept('T') {
		err = p.structure(&l, depth)
	} else {
		err = p.number(&l)
	}
	if err == nil && !l.setSize() {
		err = p.errorf("size of the type is not between 1 and %d bytes", int64(MaxSize))
	}
	return l, err
}

// order reads any number of byte order codes; the last one counts.
func (p *parser) order() {
	for {
		switch p.peek() {
		case '<':
			p.bigEndian = false
		case '>', '!':
			p.bigEndian = true
		case '=':
			p.bigEndian = bigEndian
		default:
			return
		}
		p.pos++
	}
}

// dims reads the lengths of arrays after their opening parenthesis.
func (p *parser) dims() ([]int64, error) {
	var dims []int64
	for {
		n, err := p.count()
		if err != nil {
			return nil, err
		}
		dims = append(dims, n)
		if p.accept(')') {
			return dims, nil
		}
		if !p.accept(',') {
			return nil, p.errorf("array length is not followed by , or )")
		}
	}
}

// count reads a decimal number between 1 and MaxSize.
func (p *parser) count() (int64, error) {
	n := int64(0)
	for p.peek() >= '0' && p.peek() <= '9' {
		n = n*10 + int64(p.peek()-'0')
		if n > MaxSize {
			return 0, p.errorf("number is too large")
		}
		p.pos++
	}
	if n == 0 {
		return 0, p.errorf("want a number of at least 1")
	}
	return n, nil
}

// number reads the code of a number.
func (p *parser) number(l *Layout) error {
	end := min(p.pos+1, len(p.text))
	if p.peek() == 'Z' {
		end = min(p.pos+2, len(p.text))
	}
	n, ok := numbers[p.text[p.pos:end]]
	if !ok {
		return p.errorf("unknown type %q", p.text[p.pos:end])
	}
	l.Code, l.Unit = p.text[p.pos:end], n.size
	l.BigEndian = p.bigEndian
	if n.size == 1 {
		l.BigEndian = bigEndian
	}
	p.pos = end
	return nil
}

// structure reads a struct after its T.
func (p *parser) structure(l *Layout, depth int) error {
	if !p.accept('{') {
		return p.errorf("T is not followed by {")
	}
	if depth == MaxDepth {
		return p.errorf("more than %d structs within structs", MaxDepth)
	}
	names := make(map[string]bool)
	for !p.accept('}') {
		n, err := p.padding()
		if err != nil {
			return err
		}
		if n == 0 {
			f, err := p.field(l.Unit, depth)
			if err != nil {
				return err
			}
			if names[f.Name] {
				return p.errorf("second field %s", f.Name)
			}
			names[f.Name] = true
			l.Fields = append(l.Fields, f)
			n = f.Layout.Size
		}
		// Neither operand is above MaxSize, so the sum cannot overflow.
		if l.Unit += n; l.Unit > MaxSize {
			return p.errorf("struct is larger than %d bytes", int64(MaxSize))
		}
	}
	return nil
}

// padding reads x or a count and x. It gives 0 if something else is next.
func (p *parser) padding() (int64, error) {
	if p.accept('x') {
		return 1, nil
	}
	if p.peek() < '0' || p.peek() > '9' {
		return 0, nil
	}
	n, err := p.count()
	if err == nil && !p.accept('x') {
		err = p.errorf("a count is not followed by x")
	}
	return n, err
}

// field reads a field of a struct that starts offset bytes into it.
func (p *parser) field(offset int64, depth int) (Field, error) {
	l, err := p.layout(depth + 1)
	if err != nil {
		return Field{}, err
	}
	if !p.accept(':') {
		return Field{}, p.errorf("field has no name")
	}
	start := p.pos
	for p.pos < len(p.text) && p.peek() != ':' {
		r, size := utf8.DecodeRuneInString(p.text[p.pos:])
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return Field{}, p.errorf("field name is not printable")
		}
		p.pos += size
	}
	name := p.text[start:p.pos]
	if name == "" || !p.accept(':') {
		return Field{}, p.errorf("field name is empty or has no end")
	}
	return Field{Name: name, Offset: offset, Layout: l}, nil
}
