package dict

import (
	"bufio"
	"bytes"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// monotonic is the monotonic clock of the machine, as processes outside of all time namespaces see
// it: in a namespace of its own a container has another one, and may share segments with the rest.
func monotonic() time.Duration {
	var ts unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &ts) != nil {
		return 0
	}
	offsets, _ := os.ReadFile("/proc/self/timens_offsets") // absent: there are no time namespaces
	return time.Duration(ts.Nano()) - namespaceOffset(offsets)
}

// namespaceOffset is by how much the namespace's monotonic clock is ahead of the machine's.
func namespaceOffset(table []byte) time.Duration {
	for lines := bufio.NewScanner(bytes.NewReader(table)); lines.Scan(); {
		f := bytes.Fields(lines.Bytes())
		if len(f) != 3 || string(f[0]) != "monotonic" {
			continue
		}
		s, err1 := strconv.ParseInt(string(f[1]), 10, 64)
		ns, err2 := strconv.ParseInt(string(f[2]), 10, 64)
		if err1 == nil && err2 == nil {
			return time.Duration(s)*time.Second + time.Duration(ns)
		}
	}
	return 0
}
