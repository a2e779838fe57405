//go:build crashtest && linux

package dict

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// A scene is an operation that a victim dies in. It changes the key "target" from old to now, "-"
// is none; the keys other0 to otherN stay.
type scene struct {
	name     string
	options  Options
	prepare  func(m *Map)
	act      func(m *Map)
	old, now string
	others   int
	least    int // crash points that are passed
}

func others(n, size int) func(*Map) {
	return func(m *Map) {
		for i := range n {
			m.mustSet(fmt.Sprint("other", i), otherValue(i, size))
		}
	}
}

func otherValue(i, size int) string { return fmt.Sprint("value", i) + strings.Repeat("x", size) }

func setTarget(v string) func(*Map) { return func(m *Map) { m.mustSet("target", v) } }

func then(all ...func(*Map)) func(*Map) {
	return func(m *Map) {
		for _, f := range all {
			f(m)
		}
	}
}

var (
	long      = strings.Repeat("new", 100)
	large     = strings.Repeat("new", 30000)
	largeOld  = strings.Repeat("old", 30000)
	words     = Options{KeyBytes: 6, ValueBytes: 8}
	errOfFill = errors.New("the fill fails")
)

// wordOthers are keys of the layout words; the names of keys have 6 bytes there.
func wordOthers(n int) func(*Map) {
	return func(m *Map) {
		for i := range n {
			m.mustSet(fmt.Sprintf("oth%03d", i), fmt.Sprintf("val%05d", i))
		}
	}
}

var scenes = []scene{
	{name: "first insert", act: setTarget("new"), old: "-", now: "new", least: 15},
	{name: "insert", prepare: others(3, 0), act: setTarget("new"), old: "-", now: "new", others: 3, least: 6},
	{name: "insert that grows", prepare: others(5, 0), act: setTarget("new"), old: "-", now: "new", others: 5, least: 12},
	{name: "insert into a later bucket", prepare: others(20, 0), act: setTarget("new"), old: "-", now: "new", others: 20, least: 6},
	{name: "insert that adds a page", prepare: others(8, 60), act: setTarget(long), old: "-", now: long, others: 8, least: 12},
	{name: "insert of a large value", prepare: others(8, 60), act: setTarget(large), old: "-", now: large, others: 8, least: 12},
	{name: "first replacement", prepare: then(others(8, 60), setTarget("old")), act: setTarget("new"), old: "old", now: "new", others: 8, least: 6},
	{name: "replacement in place", prepare: then(others(8, 60), setTarget("older"), setTarget("old")), act: setTarget("new"), old: "old", now: "new", others: 8, least: 3},
	{name: "replacement of a word", prepare: then(others(8, 60), setTarget("old=8byt")), act: setTarget("new=8byt"), old: "old=8byt", now: "new=8byt", others: 8, least: 1},
	{name: "replacement of a large value", prepare: then(others(8, 60), setTarget(largeOld)), act: setTarget(large), old: largeOld, now: large, others: 8, least: 15},
	{name: "delete", prepare: then(others(8, 60), setTarget("old")), act: deleteTarget, old: "old", now: "-", others: 8, least: 6},
	{name: "delete of a large value", prepare: then(others(8, 60), setTarget(largeOld)), act: deleteTarget, old: largeOld, now: "-", others: 8, least: 9},
	{name: "delete from a later bucket", prepare: then(others(21, 0), setTarget("old")), act: deleteTarget, old: "old", now: "-", others: 21, least: 6},
	{name: "add", prepare: then(others(3, 0), setTarget("00000001")), act: func(m *Map) {
		must(m.Change(background, []byte("target"), KeepLife, func(old []byte, ok bool) ([]byte, Verdict) {
			return append(old[:7:7], old[7]+1), Put
		}))
	}, old: "00000001", now: "00000002", others: 3, least: 1},
	{name: "set with an expiry", prepare: then(others(3, 0), setTarget("old=8byt")), act: func(m *Map) {
		must(m.Set(background, []byte("target"), []byte("new=8byt"), 1<<30))
	}, old: "old=8byt", now: "new=8byt", others: 3, least: 6},
	{name: "clear", prepare: then(others(40, 100), setTarget("old")), act: func(m *Map) { must(m.Clear(background)) }, old: "old", now: "-", least: 10},
	{name: "clean", prepare: func(m *Map) {
		for i := range 40 {
			m.mustSet(fmt.Sprint("other", i), otherValue(i, 60))
			m.mustSet(fmt.Sprint("junk", i), otherValue(i, 60))
			m.mustSet(fmt.Sprint("junk", i+40), otherValue(i, 60))
		}
	}, act: func(m *Map) {
		for i := range 80 {
			m.mustDelete(fmt.Sprint("junk", i))
		}
		if m.Stats().Moved < 5 {
			panic("nothing was moved")
		}
	}, old: "-", now: "-", others: 40, least: 300},
	{name: "clean around a large value", prepare: func(m *Map) {
		m.mustSet("target", largeOld)
		others(40, 60)(m)
		for i := range 2000 {
			m.mustSet(fmt.Sprint("junk", i), otherValue(i, 60))
		}
		for i := range 1000 {
			m.mustDelete(fmt.Sprint("junk", i))
		}
	}, act: func(m *Map) {
		for i := range 60 {
			m.mustDelete(fmt.Sprint("junk", 1000+i))
		}
	}, old: largeOld, now: largeOld, others: 40, least: 300},
	{name: "evict", options: Options{MaxBytes: 64 << 10}, prepare: others(300, 100), act: func(m *Map) {
		for i := range 60 {
			m.mustSet(fmt.Sprint("more", i), otherValue(i, 100))
		}
		if m.Stats().Evicted == 0 {
			panic("nothing was evicted")
		}
	}, old: "-", now: "-", least: 100},
	{name: "gather under a bound", options: Options{MaxBytes: 64 << 10}, prepare: func(m *Map) {
		others(40, 100)(m)
		for i := range 445 {
			m.mustSet("junk", otherValue(i, 60))
			m.mustDelete("junk")
		}
	}, act: func(m *Map) {
		for i := range 20 {
			m.mustSet("junk", otherValue(i, 60))
			m.mustDelete("junk")
		}
		if s := m.Stats(); s.Evicted != 0 || s.Moved < 5 {
			panic(fmt.Sprintf("%+v", s))
		}
	}, old: "-", now: "-", others: 40, least: 100},
	{name: "fill", prepare: others(3, 0), act: func(m *Map) {
		_, err := m.Do(background, nil, []byte("target"), func(context.Context) ([]byte, error) { return []byte("new"), nil })
		must(err)
	}, old: "-", now: "new", others: 3, least: 15},
	{name: "fill that fails", prepare: others(3, 0), act: func(m *Map) {
		_, err := m.Do(background, nil, []byte("target"), func(context.Context) ([]byte, error) { return nil, errOfFill })
		if err != errOfFill {
			panic(err)
		}
	}, old: "-", now: "-", others: 3, least: 8},
	{name: "fill beside others", prepare: func(m *Map) {
		others(3, 0)(m)
		h, err := m.lock(background, 0)
		must(err)
		for i := range uint64(8) { // of living processes
			_, err := h.take(background, i+1, i)
			must(err)
		}
		h.unlock(&err)
		must(err)
	}, act: func(m *Map) {
		_, err := m.Do(background, nil, []byte("target"), func(context.Context) ([]byte, error) {
			m.mustSet("target", "set meanwhile") // wins
			return []byte("new"), nil
		})
		must(err)
	}, old: "-", now: "set meanwhile", others: 3, least: 20},
	{name: "first word", options: words, act: setTargetWord("new=8byt"), old: "-", now: "new=8byt", least: 10},
	{name: "insert of a word", options: words, prepare: wordOthers(3), act: setTargetWord("new=8byt"), old: "-", now: "new=8byt", others: 3, least: 3},
	{name: "insert of a word that grows", options: words, prepare: wordOthers(21), act: setTargetWord("new=8byt"), old: "-", now: "new=8byt", others: 21, least: 8},
	{name: "replacement of an inline word", options: words, prepare: then(wordOthers(20), setTargetWord("old=8byt")), act: setTargetWord("new=8byt"), old: "old=8byt", now: "new=8byt", others: 20, least: 1},
	{name: "delete of a word", options: words, prepare: then(wordOthers(21), setTargetWord("old=8byt")), act: func(m *Map) {
		if !m.mustDelete("target") {
			panic("it was not there")
		}
	}, old: "old=8byt", now: "-", others: 21, least: 3},
	{name: "clear of words", options: words, prepare: then(wordOthers(40), setTargetWord("old=8byt")), act: func(m *Map) { must(m.Clear(background)) }, old: "old=8byt", now: "-", least: 3},
}

func setTargetWord(v string) func(*Map) { return setTarget(v) }

func deleteTarget(m *Map) {
	if !m.mustDelete("target") {
		panic("it was not there")
	}
}
