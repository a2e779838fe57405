package shmsync

import (
	"slices"

	"github.com/shmkit/shmkit/internal/proctab"
)

// cyclesIn returns for each wait a shortest cycle of waits that it is part of, if there is one;
// each cycle once.
func cyclesIn(waits []link) (cycles [][]BlockedWait) {
	of := map[proctab.Owner][]int{} // the waits of each process
	for i, w := range waits {
		of[w.posting.Owner] = append(of[w.posting.Owner], i)
	}
	seen := make([]bool, len(waits)) // is part of a cycle that was found
	for i := range waits {
		if seen[i] {
			continue
		}
		var cycle []BlockedWait
		for _, j := range cycleFrom(i, waits, of) {
			seen[j] = true
			cycle = append(cycle, waits[j].BlockedWait)
		}
		if cycle != nil {
			cycles = append(cycles, cycle)
		}
	}
	return cycles
}

// cycleFrom is a shortest way from a wait back to its process over at least one other process; nil
// when there is none. Each process is visited once.
func cycleFrom(first int, waits []link, of map[proctab.Owner][]int) []int {
	home := waits[first].posting.Owner
	from := map[int]int{first: -1} // how a wait was reached
	visited := map[proctab.Owner]bool{home: true}
	for queue := []int{first}; len(queue) > 0; queue = queue[1:] {
		i := queue[0]
		for _, o := range waits[i].needed {
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
