package main

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// table counts words: a hash table with open addressing and without pointers, so that the garbage
// collector has nothing to do and a table is reused from one task to the next. On source code it is
// twice as fast as a map. It is for one goroutine; the zero value is empty.
//
// Invariant: at most half of the slots are in use.
type table struct {
	slots []slot // a power of two
	used  int
	text  []byte // the words, each after its length in one byte
}

// slot is one word. It is free if count is 0.
type slot struct {
	count int64
	text  int // index of the length byte in table.text
	hash  uint64
}

// add counts word n times, n > 0. It keeps no reference to word, of at most maxWord bytes.
func (t *table) add(word []byte, n int64) {
	if 2*t.used >= len(t.slots) {
		t.grow()
	}
	h := hash(word)
	mask := len(t.slots) - 1
	for i := int(h) & mask; ; i = (i + 1) & mask {
		s := &t.slots[i]
		if s.count == 0 {
			*s = slot{count: n, text: len(t.text), hash: h}
			t.text = append(t.text, byte(len(word)))
			t.text = append(t.text, word...)
			t.used++
			return
		}
		if s.hash == h && string(t.word(s)) == string(word) {
			s.count += n
			return
		}
	}
}

// word is the text of a slot in use, valid until reset.
func (t *table) word(s *slot) []byte {
	length := int(t.text[s.text])
	return t.text[s.text+1:][:length]
}

func (t *table) grow() {
	old := t.slots
	t.slots = make([]slot, max(1024, 2*len(old)))
	mask := len(t.slots) - 1
	for _, s := range old {
		if s.count == 0 {
			continue
		}
		i := int(s.hash) & mask
		for t.slots[i].count != 0 {
			i = (i + 1) & mask
		}
		t.slots[i] = s
	}
}

// reset empties the table and keeps its memory.
func (t *table) reset() {
	clear(t.slots)
	t.used = 0
	t.text = t.text[:0]
}

// hash mixes a word into 64 bits. It is the same in every process, because it also decides which
// partition a word belongs to.
func hash(word []byte) uint64 {
	const odd = 0x9e3779b97f4a7c15
	h := uint64(len(word))
	for len(word) >= 8 {
		h = mix(h ^ binary.LittleEndian.Uint64(word))
		word = word[8:]
	}
	last := uint64(odd)
	for _, b := range word {
		last = last<<8 ^ uint64(b)
	}
	return mix(h ^ last)
}

func mix(h uint64) uint64 {
	high, low := bits.Mul64(h, 0x9e3779b97f4a7c15)
	return high ^ low
}

// partitions is how many parts a table is sent in. All counts of a word are in the same part of
// every table, so that each part can be merged by itself: by any worker, in its cache. The high
// bits of the hash choose the part; the low ones choose the slot.
const (
	partitionBits = 6
	partitions    = 1 << partitionBits
)

// part is the number of the partition that the word of s belongs to.
func (s *slot) part() int { return int(s.hash >> (64 - partitionBits)) }

// encodedBytes is the length of the word of s when it is encoded: its length in one byte, its
// bytes, and its count as a varint.
func (t *table) encodedBytes(s *slot) int {
	return 1 + int(t.text[s.text]) + (bits.Len64(uint64(s.count))+6)/7
}

// layOut returns where each part of t ends when it is encoded. The last one is the length of them
// all.
func (t *table) layOut() (ends []int) {
	ends = make([]int, partitions)
	for i := range t.slots {
		if s := &t.slots[i]; s.count != 0 {
			ends[s.part()] += t.encodedBytes(s)
		}
	}
	for i := 1; i < partitions; i++ {
		ends[i] += ends[i-1]
	}
	return ends
}

// encode writes the words of t and their counts to out, part after part, as they are laid out.
func (t *table) encode(out []byte, ends []int) {
	next := append([]int{0}, ends...) // where the next word of each part goes
	for i := range t.slots {
		s := &t.slots[i]
		if s.count == 0 {
			continue
		}
		at := &next[s.part()]
		*at += copy(out[*at:], t.text[s.text:][:1+int(t.text[s.text])])
		*at += binary.PutUvarint(out[*at:], uint64(s.count))
	}
}

var errDamaged = errors.New("damaged word table")

// merge adds one part of an encoded table to t.
func (t *table) merge(part []byte) error {
	for len(part) > 0 {
		length := int(part[0])
		part = part[1:]
		if length > len(part) {
			return errDamaged
		}
		word := part[:length]
		n, size := binary.Uvarint(part[length:])
		if size <= 0 || int64(n) <= 0 {
			return errDamaged
		}
		t.add(word, int64(n))
		part = part[length+size:]
	}
	return nil
}
