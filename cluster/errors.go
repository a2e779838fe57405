package cluster

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoHosts says that not enough hosts serve the queue.
var ErrNoHosts = errors.New("cluster: not enough hosts serve the queue")

// ErrTooLarge says that an argument, or a value, is larger than what can travel.
var ErrTooLarge = errors.New("cluster: too large")

// A HostLostError says that the hosts which ran a task were lost again and again: they died, or
// were cut off. The task is not tried any more, since it may be what kills them.
type HostLostError struct {
	Task  string   // name of the task
	Hosts []string // names of the hosts, in the order of their ends
	Last  string   // the last record that the last of them has logged; empty when none has arrived
}

// Error names the task and the hosts.
func (e *HostLostError) Error() string {
	text := fmt.Sprintf("cluster: task %q: %d hosts were lost while they had it, the last ones: %s", e.Task, len(e.Hosts), lastOf(e.Hosts))
	if e.Last != "" {
		text += ": " + e.Last
	}
	return text
}

// lastOf names at most three hosts.
func lastOf(hosts []string) string { return strings.Join(hosts[max(0, len(hosts)-3):], ", ") }

// An UnknownTaskError says that no host that serves the queue can run a task: none defines it, or
// has the tags that were asked for.
type UnknownTaskError struct {
	Task    string
	Hosts   []string // names of the hosts that were asked
	Differs bool     // a host defines a task of that name, with other types
}

// Error names the task and the hosts.
func (e *UnknownTaskError) Error() string {
	if e.Differs {
		return fmt.Sprintf("cluster: task %q has other types on the %d hosts of the queue: run the same version there, on %s", e.Task, len(e.Hosts), lastOf(e.Hosts))
	}
	return fmt.Sprintf("cluster: task %q can run on none of the %d hosts of the queue: define it there, or give one the tags: %s", e.Task, len(e.Hosts), lastOf(e.Hosts))
}
