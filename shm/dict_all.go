package shm

import (
	"iter"

	"github.com/shmkit/shmkit/internal/dict"
)

// All iterates over the keys with their values. A key that is there from the beginning to the end
// comes exactly once, whatever grows meanwhile; one that comes or goes may come or not. Each pair
// was true at one instant, and there is no instant for all. It takes no lock, and the body of the
// loop may use the Dict. A value that cannot be decoded is left out. The loop ends early when this
// process closes the Dict, or when its bytes are damaged.
func (d *Dict[K, V]) All() iter.Seq2[K, V] {
	return func(yield func(K, V) bool) {
		d.each(func(e dict.Entry) bool {
			key, err := d.keys.decode(d.keys.own(e.Key))
			if err != nil {
				return true
			}
			value, err := d.values.decode(d.values.own(e.Value))
			return err != nil || yield(key, value)
		})
	}
}

// Keys iterates over the keys, as All does.
func (d *Dict[K, V]) Keys() iter.Seq[K] {
	return func(yield func(K) bool) {
		d.each(func(e dict.Entry) bool {
			key, err := d.keys.decode(d.keys.own(e.Key))
			return err != nil || yield(key)
		})
	}
}

func (d *Dict[K, V]) each(yield func(dict.Entry) bool) {
	_ = d.m.All(yield) // its errors end the loop, as documented
}
