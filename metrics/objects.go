package metrics

import (
	"time"

	"github.com/shmkit/shmkit/internal/inspect"
)

// A value is one number of one object.
type value struct {
	family       *family
	object, kind string
	hasKind      bool // the family has a label kind
	value        float64
}

// A fact says in which family a fact of an object is exported.
type fact struct {
	name   string
	family *family
}

// facts of objects, by their names in the JSON of the tool.
var (
	queueFacts = []fact{
		{"messages", queueMessages}, {"capacityMessages", queueCapacity}, {"usedBytes", queueUsed}, {"capacityBytes", queueRoom},
		{"unfinished", queueUnfinished}, {"closed", queueClosed}, {"put", queuePut}, {"got", queueGot}, {"dropped", queueDropped},
		{"abandoned", queueAbandoned}, {"sleeps", queueSleeps}, {"putBytes", queueBytes}, {"highWaterMessages", queueHighWater},
	}
	semaphoreFacts = []fact{{"units", semaphore}, {"freeUnits", semaphoreFree}}
	dictFacts      = []fact{{"keys", dictKeys}}
	listFacts      = []fact{{"elements", listElements}}
)

// factsOf are the facts that are exported of a kind, and whether they have a label kind.
func factsOf(kind string) (facts []fact, hasKind bool) {
	switch kind {
	case "Queue", "SPSC", "Bytes", "Objects", "Broadcast", "overwriting Broadcast", "BroadcastBytes", "BroadcastObjects":
		return queueFacts, true
	case "Semaphore":
		return semaphoreFacts, false
	case "Dict":
		return dictFacts, false
	case "List":
		return listFacts, false
	}
	return nil, false
}

// valuesOf are the numbers of an object.
func valuesOf(o inspect.Object) (all []value) {
	facts, hasKind := factsOf(o.Kind)
	for _, f := range facts {
		if known, ok := o.Facts.Get(f.name); ok {
			if n, ok := number(known); ok {
				all = append(all, value{f.family, o.Name, o.Kind, hasKind, n})
			}
		}
	}
	if owner, isLock := o.Facts.Get("owner"); isLock && !hasKind {
		held := 0.0
		if owner != nil && owner != "" {
			held = 1
		}
		waits, _ := o.Facts.Get("waitsForRepair")
		suspect, _ := number(waits)
		all = append(all, value{lockHeld, o.Name, o.Kind, true, held}, value{lockSuspect, o.Name, o.Kind, true, suspect})
	}
	return all
}

// number is a fact as a float64. A bool is 0 or 1.
func number(fact any) (n float64, ok bool) {
	switch x := fact.(type) {
	case bool:
		if x {
			return 1, true
		}
		return 0, true
	case int:
		return float64(x), true
	case int32:
		return float64(x), true
	case int64:
		return float64(x), true
	case uint32:
		return float64(x), true
	case uint64:
		return float64(x), true
	}
	return 0, false
}

// sums adds up the values of objects of one kind.
func sums(all []value) (added []value) {
	at := map[value]int{}
	for _, v := range all {
		key := value{family: v.family, kind: v.kind, hasKind: v.hasKind}
		if !v.hasKind {
			key.kind = ""
		}
		i, ok := at[key]
		if !ok {
			i = len(added)
			at[key] = i
			added = append(added, key)
		}
		added[i].value += v.value
	}
	return added
}

// age is how many seconds have passed since then, at least 0.
func age(then time.Time) float64 {
	if then.IsZero() {
		return 0
	}
	return max(time.Since(then).Seconds(), 0)
}
