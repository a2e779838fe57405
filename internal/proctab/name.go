package proctab

import (
	"bytes"
	"encoding/binary"
	"strings"
	"unicode"
)

const (
	programBytes = 24 // NUL-padded, the last one always NUL
	programWords = programBytes / 8
)

// packName cuts a name to the words that hold it in a slot.
func packName(name string) (words [programWords]uint64) {
	var b [programBytes]byte
	copy(b[:programBytes-1], name)
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return words
}

// unpackName makes words a text that a terminal can be trusted with: they may hold anything.
func unpackName(words [programWords]uint64) string {
	var b [programBytes]byte
	for i, word := range words {
		binary.LittleEndian.PutUint64(b[8*i:], word)
	}
	name, _, _ := bytes.Cut(b[:], []byte{0})
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, string(name))
}
