package shmlog

import "time"

// HoldFor sets how long a record waits for a process that holds up the log.
func HoldFor(d time.Duration) { heldLimit = d }
