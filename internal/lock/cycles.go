package lock

import (
	"slices"

	"github.com/shmkit/shmkit/internal/proctab"
)

// A Need is a wait as part of a graph: the process that waits, and those that must act before the
// wait can end.
type Need struct {
	Owner  proctab.Owner
	Needed []proctab.Owner
}

// Cycles returns for each wait a shortest cycle of waits that it is part of, if there is one; each
// cycle once. A cycle is the numbers of its waits.
func Cycles(waits []Need) (cycles [][]int) {
	of := map[proctab.Owner][]int{} // the waits of each process
	for i, w := range waits {
		of[w.Owner] = append(of[w.Owner], i)
	}
	seen := make([]bool, len(waits)) // is part of a cycle that was found
	for i := range waits {
		if seen[i] {
			continue
		}
		cycle := cycleFrom(i, waits, of)
		for _, j := range cycle {
			seen[j] = true
		}
		if cycle != nil {
			cycles = append(cycles, cycle)
		}
	}
	return cycles
}

// cycleFrom is a shortest way from a wait back to its process over at least one other process; nil
// when there is none. Each process is visited once.
func cycleFrom(first int, waits []Need, of map[proctab.Owner][]int) []int {
	home := waits[first].Owner
	from := map[int]int{first: -1} // how a wait was reached
	visited := map[proctab.Owner]bool{home: true}
	for queue := []int{first}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for _, o := range waits[i].Needed {
			if o == home && i != first {
				var way []int
				for ; i >= 0; i = from[i] {
					way = append(way, i)
				}
				slices.Reverse(way)
				return way
			}
			if visited[o] {
				continue
			}
			visited[o] = true
			for _, next := range of[o] {
				from[next] = i
				queue = append(queue, next)
			}
		}
	}
	return nil
}
