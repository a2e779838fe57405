package dict

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/internal/segment"
)

// Writers change keys of their own, and note in a ledger what they intend, and what was
// acknowledged: for each key a number that counts its changes. Each fifth change deletes the key.

const (
	killWriters = 3
	killKeys    = 60 // of each writer
)

func killKey(words bool, i int) []byte {
	if words {
		return binary.LittleEndian.AppendUint64(nil, uint64(i)*0x9e3779b97f4a7c15)
	}
	return fmt.Append(nil, "key", i)
}

// killValue is the value after the n-th change; nil: none.
func killValue(words bool, i int, n uint64) []byte {
	if n%5 == 0 {
		return nil
	}
	b := binary.LittleEndian.AppendUint64(nil, n<<16|uint64(i))
	if words {
		return b
	}
	lengths := []int{1, 1, 1, 4, 12, 12, 12, 60, 400, 3000}
	return bytes.Repeat(b, lengths[(n/5+uint64(i))%10])
}

// killed opens the Dict and the ledger of a test of kills.
func killed(path string, o Options) (*Map, []atomic.Uint64) {
	s, err := segment.Open(path)
	must(err)
	m, err := openMap(s, o)
	must(err)
	return m, ledgerIn(s, 2*killWriters*killKeys)
}

var killOptions = map[string]Options{"records": {}, "words": {KeyBytes: 8, ValueBytes: 8}}

// writer: PATH LAYOUT NUMBER SEED.
var roleWriter = proctest.Register("writer", func(args []string) {
	m, ledger := killed(args[0], killOptions[args[1]])
	w, _ := strconv.Atoi(args[2])
	seed, _ := strconv.ParseUint(args[3], 10, 64)
	r := rand.New(rand.NewPCG(seed, 1))
	proctest.Say("ready")
	for {
		i := w*killKeys + r.IntN(killKeys)
		n := ledger[2*i].Load() + 1
		ledger[2*i].Store(n) // intended
		v := killValue(m.words, i, n)
		var err error
		if v == nil {
			_, err = m.Delete(background, killKey(m.words, i))
		} else {
			err = m.Set(background, killKey(m.words, i), v, DefaultLife)
		}
		must(err)
		ledger[2*i+1].Store(n) // acknowledged
	}
})

// kills is how many writers are killed.
func kills() int {
	if os.Getenv("SHMKIT_LONG") != "" {
		return 100_000
	}
	return 200
}

// Writers are killed at random. No value is torn, no acknowledged change is lost, none comes from
// the future, nothing leaks, and nothing waits for the dead.
func TestRandomKills(t *testing.T) {
	for layout, o := range killOptions {
		t.Run(layout, func(t *testing.T) {
			s := newSegment(t, 64<<20)
			m, err := openMap(s, o)
			must(err)
			ledger := ledgerIn(s, 2*killWriters*killKeys)
			var writers [killWriters]*proctest.Child
			start := func(w, seed int) {
				writers[w] = proctest.Start(t, roleWriter, s.Path(), layout, strconv.Itoa(w), strconv.Itoa(seed))
			}
			for w := range writers {
				start(w, w)
			}
			for n := range kills() / len(killOptions) {
				w := n % killWriters
				writers[w].Expect("ready")
				proctest.Stagger(3 * time.Millisecond)
				writers[w].Signal(syscall.SIGKILL)
				writers[w].Wait()
				for i := w * killKeys; i < (w+1)*killKeys; i++ {
					checkKilled(t, m, ledger, i)
				}
				start(w, n+killWriters)
				if t.Failed() {
					break
				}
			}
			for _, w := range writers {
				w.Kill()
			}
			must(s.Reclaim())
			keys := 0
			for i := range killWriters * killKeys {
				if checkKilled(t, m, ledger, i) {
					keys++
				}
			}
			wantIntact(t, m) // mends
			if m.Len() != keys {
				t.Errorf("%d keys, want %d", m.Len(), keys)
			}
			t.Logf("%+v", m.Stats())
		})
	}
}

// checkKilled checks a key that nothing changes just now, and reports whether it is there.
func checkKilled(t *testing.T, m *Map, ledger []atomic.Uint64, i int) (there bool) {
	t.Helper()
	got, ok, err := m.Get(nil, killKey(m.words, i))
	must(err)
	intended, acknowledged := ledger[2*i].Load(), ledger[2*i+1].Load()
	for n := acknowledged; n <= intended; n++ {
		want := killValue(m.words, i, n)
		if ok == (want != nil) && bytes.Equal(got, want) {
			return ok
		}
	}
	t.Errorf("key %d after change %d was acknowledged and %d intended: %v, %.40x", i, acknowledged, intended, ok, got)
	return ok
}
