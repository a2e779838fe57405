// Package pooltest says what each kind of pool does: of processes, of goroutines, and on other
// machines. It has a table of behaviours, each with its name, that [Run] checks with pools of one
// kind.
//
// Tasks leave their traces in files, which hosts on the same machine share with the test, since
// handles of shared objects mean nothing to hosts.
package pooltest

import (
	"testing"

	"github.com/shmkit/shmkit/pool"
)

// A Kind makes pools of one kind. Its fields that are set say what the kind lacks.
type Kind struct {
	// New makes a pool with workers that have these options, or hosts with so many workers in all.
	// The pool is closed at the end of the test.
	New func(t *testing.T, o Options) *pool.Pool

	Immortal  bool // its workers cannot die
	Elsewhere bool // the number of workers is decided elsewhere
	NoRestart bool // so is their restart
}

// Options are those of a pool, in a form that a host process can be told.
type Options struct {
	Workers, Attempts, Backlog, MaxTasksPerWorker int
	Memory                                        int64
	Label                                         string

	Carry    bool // tasks carry the word that the context has
	Resource bool // the workers have the resource of this package
}

// Pool are the options as package pool has them.
func (o *Options) Pool() pool.Options {
	p := pool.Options{
		Workers: o.Workers, Attempts: o.Attempts, Backlog: o.Backlog, MaxTasksPerWorker: o.MaxTasksPerWorker, Memory: o.Memory, Label: o.Label,
	}
	if o.Carry {
		p.Carry = carryWord
	}
	if o.Resource {
		p.Resources = []pool.AnyResource{word.With("opened")}
	}
	return p
}

// workers is how many workers the pools of this package have.
const workers = 2

// A behaviour is what every pool does.
type behaviour struct {
	name    string
	options Options
	check   func(t *testing.T, k *Kind, p *pool.Pool)
	deadly  bool // workers die of it
}

// behaviours are all of them.
func behaviours() (all []behaviour) {
	for _, some := range [][]behaviour{calls, loops, failures, ends, deaths, surroundings} {
		all = append(all, some...)
	}
	return all
}

// Run checks each behaviour with a pool of its own.
func Run(t *testing.T, k Kind) {
	for _, b := range behaviours() {
		if b.deadly && k.Immortal {
			continue
		}
		t.Run(b.name, func(t *testing.T) {
			b.options.Workers = workers
			b.check(t, &k, k.New(t, b.options))
		})
	}
}
