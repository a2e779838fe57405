package pipe

import (
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/shmkit/shmkit/internal/environ"
	"github.com/shmkit/shmkit/shm"
)

// An attachment is a segment of a listener that this process has attached, once for all its
// connections: a process has one slot in the segment's table, and one owner id.
type attachment struct {
	place string
	seg   *shm.Segment
	users int         // connections, listeners, and calls of Dial; guarded by attachmentsMu
	idle  *time.Timer // closes the segment after a while without users; guarded by attachmentsMu
}

// idleTime is how long a process stays attached to a listener's segment without a connection.
const idleTime = time.Second

var (
	attachmentsMu sync.Mutex
	attachments   = map[string]*attachment{} // by place; the newest of each
)

// placeOf tells segments apart by name. A name without a slash lies in a directory that the
// environment names.
func placeOf(name string) string {
	if strings.ContainsRune(name, '/') {
		if path, err := filepath.Abs(name); err == nil {
			return path
		}
		return name
	}
	return environ.Get("SHMKIT_DIR") + "\x00" + name
}

// attach returns the attachment to the segment of that name, which open opens if there is none. The
// caller must release it.
func attach(name string, open func() (*shm.Segment, error)) (*attachment, error) {
	place := placeOf(name)
	attachmentsMu.Lock()
	defer attachmentsMu.Unlock()
	if a := attachments[place]; a != nil {
		a.use()
		return a, nil
	}
	seg, err := open()
	if err != nil {
		return nil, err
	}
	a := &attachment{place: place, seg: seg}
	a.use()
	attachments[place] = a
	return a, nil
}

// use counts one more user. The caller holds attachmentsMu.
func (a *attachment) use() {
	a.users++
	if a.idle != nil {
		a.idle.Stop()
		a.idle = nil
	}
}

// retain counts one more user of an attachment that the caller uses already.
func (a *attachment) retain() {
	attachmentsMu.Lock()
	defer attachmentsMu.Unlock()
	a.use()
}

// release ends one use.
func (a *attachment) release() {
	attachmentsMu.Lock()
	defer attachmentsMu.Unlock()
	if a.users--; a.users > 0 {
		return
	}
	if attachments[a.place] != a { // it is invalid: no call of attach returns it again
		a.seg.Close()
		return
	}
	var idle *time.Timer
	idle = time.AfterFunc(idleTime, func() {
		attachmentsMu.Lock()
		defer attachmentsMu.Unlock()
		if a.idle == idle { // it has had no user since
			a.forget()
			a.seg.Close()
		}
	})
	a.idle = idle
}

// invalidate keeps attach from returning the attachment again: its listener has gone. The caller
// still uses it.
func (a *attachment) invalidate() {
	attachmentsMu.Lock()
	defer attachmentsMu.Unlock()
	a.forget()
}

func (a *attachment) forget() {
	if attachments[a.place] == a {
		delete(attachments, a.place)
	}
}
