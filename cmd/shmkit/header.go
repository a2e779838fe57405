package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/elem"
)

func (t *tool) headerCommand() *cobra.Command {
	lang := "c"
	c := &cobra.Command{
		Use:   "header SEGMENT [OBJECT…]",
		Short: "Write the element types of a segment as structs of C, or as dtypes of NumPy",
		Long: `Header writes the types of elements, and where the payload of their objects lies at this moment. It writes
nothing of locks and rings: only the library may write to a segment.`,
		Example:           "  shmkit header visits > visits.h\n  shmkit header visits -lang python",
		Args:              needs(1, -1, "header needs the name of a segment"),
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			if lang != "c" && lang != "python" {
				return usageError{fmt.Errorf("-lang %q: must be c or python", lang)}
			}
			ctx, cancel := t.bounded(c)
			defer cancel()
			v, s, err := t.lookAtOne(ctx, args[0])
			if err != nil {
				return err
			}
			defer v.close()
			all, err := objects(ctx, s, args[1:], describe.Want{})
			if err != nil {
				return err
			}
			text := cPrologue
			if lang == "python" {
				text = "import numpy\n"
			}
			for _, o := range all {
				_, typ := elem.CutContainer(o.Type)
				l, err := elem.Parse(typ)
				if err != nil {
					continue // of no fixed size
				}
				about := fmt.Sprintf("%s %q, payload at %d", o.Kind, o.Name, o.Offset)
				if lang == "c" {
					text += fmt.Sprintf("\n/* %s */\n%s", strings.ReplaceAll(about, "*/", "* /"), cType(identifier(o.Name), l))
				} else {
					text += fmt.Sprintf("\n# %s\n%s = numpy.dtype(%s)\n", about, identifier(o.Name), dtype(l))
				}
			}
			if t.json {
				return t.writeJSON("header", answer{Result: map[string]string{"language": lang, "text": text}})
			}
			return t.printf("%s", text)
		},
	}
	c.Flags().StringVar(&lang, "lang", lang, "the language: c, python")
	return c
}

const cPrologue = `#include <assert.h>
#include <complex.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
`

// identifier is a name as an identifier of C and Python.
func identifier(name string) string {
	id := strings.Map(func(r rune) rune {
		if r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return '_'
	}, name)
	if id == "" || id[0] >= '0' && id[0] <= '9' {
		id = "_" + id
	}
	return id + "_t"
}

var cNames = map[string]string{
	"?": "bool", "b": "int8_t", "B": "uint8_t", "h": "int16_t", "H": "uint16_t", "i": "int32_t", "I": "uint32_t",
	"q": "int64_t", "Q": "uint64_t", "f": "float", "d": "double", "Zf": "float complex", "Zd": "double complex",
}

// cType is a type of C with that name, and what the compiler is to check of it.
func cType(name string, l *elem.Layout) string {
	if l.Code != "" {
		return fmt.Sprintf("typedef %s %s%s;\nstatic_assert(sizeof(%s) == %d, \"size\");\n", cNames[l.Code], name, dims(l), name, l.Size)
	}
	var b, asserts strings.Builder
	fmt.Fprintf(&b, "typedef struct __attribute__((packed)) {\n")
	cFields(&b, l, "\t", 0)
	fmt.Fprintf(&b, "} %s%s;\n", name, dims(l))
	for i := range l.Fields {
		if len(l.Dims) == 0 {
			fmt.Fprintf(&asserts, "static_assert(offsetof(%s, %s) == %d, \"offset\");\n", name, l.Fields[i].Name, l.Fields[i].Offset)
		}
	}
	fmt.Fprintf(&asserts, "static_assert(sizeof(%s) == %d, \"size\");\n", name, l.Size)
	return b.String() + asserts.String()
}

// cFields writes the fields of a struct, with all its padding.
func cFields(b *strings.Builder, l *elem.Layout, indent string, depth int) {
	at, pads := int64(0), 0
	pad := func(to int64) {
		if to > at {
			fmt.Fprintf(b, "%sunsigned char pad%d_%d[%d];\n", indent, depth, pads, to-at)
			pads++
		}
		at = to
	}
	for i := range l.Fields {
		f := &l.Fields[i]
		pad(f.Offset)
		if f.Layout.Code != "" {
			fmt.Fprintf(b, "%s%s %s%s;\n", indent, cNames[f.Layout.Code], f.Name, dims(&f.Layout))
		} else {
			fmt.Fprintf(b, "%sstruct __attribute__((packed)) {\n", indent)
			cFields(b, &f.Layout, indent+"\t", depth+1)
			fmt.Fprintf(b, "%s} %s%s;\n", indent, f.Name, dims(&f.Layout))
		}
		at = f.Offset + f.Layout.Size
	}
	pad(l.Unit)
}

func dims(l *elem.Layout) string {
	text := ""
	for _, n := range l.Dims {
		text += fmt.Sprintf("[%d]", n)
	}
	return text
}

var dtypeNames = map[string]string{
	"?": "?", "b": "i1", "B": "u1", "h": "i2", "H": "u2", "i": "i4", "I": "u4", "q": "i8", "Q": "u8", "f": "f4", "d": "f8",
	"Zf": "c8", "Zd": "c16",
}

// dtype is a type of NumPy.
func dtype(l *elem.Layout) string {
	one := ""
	if l.Code != "" {
		order := "<"
		if l.BigEndian {
			order = ">"
		}
		one = "'" + order + dtypeNames[l.Code] + "'"
	} else {
		var names, formats, offsets []string
		for i := range l.Fields {
			f := &l.Fields[i]
			names = append(names, "'"+f.Name+"'")
			formats = append(formats, dtype(&f.Layout))
			offsets = append(offsets, fmt.Sprint(f.Offset))
		}
		one = fmt.Sprintf("{'names': [%s], 'formats': [%s], 'offsets': [%s], 'itemsize': %d}",
			strings.Join(names, ", "), strings.Join(formats, ", "), strings.Join(offsets, ", "), l.Unit)
	}
	if len(l.Dims) == 0 {
		return one
	}
	shape := make([]string, len(l.Dims))
	for i, n := range l.Dims {
		shape[i] = fmt.Sprint(n) + ","
	}
	return "(" + one + ", (" + strings.Join(shape, " ") + "))"
}
