package dict

import (
	"encoding/binary"
	"testing"

	"github.com/zeebo/xxh3"
	"pgregory.net/rapid"
)

// The hash that is written out for words is that of the library.
func TestHashOfWords(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		key, seed := rapid.Uint64().Draw(t, "key"), rapid.Uint64().Draw(t, "seed")
		want := xxh3.HashSeed(binary.LittleEndian.AppendUint64(nil, key), seed)
		if got := hash8(key, flip8(seed)); got != want {
			t.Fatalf("%#x, want %#x", got, want)
		}
	})
}

// A search in tags finds the first place with a tag, no place that lies before it, and none where
// there is none; the first empty place is found in the same way.
func TestTags(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var all [slots]byte
		tags, free := uint64(0), slots
		for i := slots - 1; i >= 0; i-- {
			if rapid.Bool().Draw(t, "used") {
				all[i] = byte(tagOf(rapid.Uint64Range(0, 3).Draw(t, "hash")))
			} else {
				free = i
			}
			tags |= uint64(all[i]) << (8 * i)
		}
		if got := emptyPlace(tags); got != free {
			t.Fatalf("%#x: place %d is empty, want %d", tags, got, free)
		}
		for h := range uint64(4) {
			found := withTag(tags, tagOf(h))
			for i, tag := range all {
				is, said := tag == byte(tagOf(h)), found>>(8*i+7)&1 != 0
				if is && !said || said && found&(1<<(8*i+7)-1) == 0 && !is || said && tag == 0 {
					t.Fatalf("%#x: tag %#x at %d: found %v", tags, tagOf(h), i, said)
				}
			}
		}
	})
}
