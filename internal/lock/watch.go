package lock

import (
	"time"

	"github.com/shmkit/shmkit/internal/futex"
	"github.com/shmkit/shmkit/internal/proctab"
	"github.com/shmkit/shmkit/internal/wait"
)

// crowdLook is how often a sleeper looks that waits for more processes than it can sleep on.
const crowdLook = 5 * time.Millisecond

// A Watch is what a sleeper of an [EventCount] sleeps on besides the bell: above all the lives of the
// processes that it waits for. It is filled anew before every sleep.
type Watch struct {
	table *proctab.Table
	me    proctab.Owner
	words [wait.MaxWords]futex.Word // the bell's comes first
	n     int
	limit time.Duration
}

// Process ends the sleep when the process dies. One that is dead already keeps it from beginning.
// When there are more processes than a sleeper can watch, it looks from time to time.
func (w *Watch) Process(o proctab.Owner) {
	// Nobody sleeps on the own liveness: the kernel wakes one sleeper of the word when
	// the process dies, and that must not be a thread which is dying, too.
	if o == w.me || o == 0 {
		return
	}
	live, ok := w.table.Liveness(o)
	switch {
	case !ok:
		w.Look(0)
	case w.n == len(w.words):
		w.Look(crowdLook)
	default:
		w.words[w.n] = live
		w.n++
	}
	if w.table.NeedsPolling(o) {
		w.Look(silentLook)
	}
}

// Look ends the sleep after d at the latest; 0: it does not begin.
func (w *Watch) Look(d time.Duration) { w.limit = min(w.limit, d) }

// begin starts to collect words with that of the bell.
func (w *Watch) begin(p *Party, bell futex.Word, limit time.Duration) {
	w.table, w.me = p.Member.Table(), p.Member.ID()
	w.words[0], w.n, w.limit = bell, 1, limit
}

// spread passes on what the kernel has told this sleeper alone.
func (w *Watch) spread() {
	for i := 1; i < w.n; i++ {
		w.table.WakeAll(w.words[i])
		w.words[i] = futex.Word{}
	}
}
