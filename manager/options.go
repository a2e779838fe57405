package manager

import (
	"crypto/tls"
	"fmt"
	"io/fs"
	"time"

	"github.com/shmkit/shmkit/internal/socket"
	"github.com/shmkit/shmkit/process"
)

// Options say how a manager, or the connection to one, works. The zero value is good. There is no
// time-out of calls: their contexts bound them.
type Options struct {
	// Name is the address at which [Start] serves: see [Dial]. "" means a new one.
	Name string

	// Key is what the server and its clients must have. Each side proves it to the other, and
	// neither shows it. Make it of at least 16 random bytes. An empty one is none: then the mode of
	// the segment or socket protects the manager.
	Key []byte

	// TLS is for addresses of TCP. Insecure permits TCP without TLS and key at loopback addresses.
	TLS      *tls.Config
	Insecure bool

	// Concurrent is how many calls of one client run at once; 0 means 1024. Further ones wait in
	// the client.
	Concurrent int

	// Max is the size in bytes of the largest argument or result, encoded; 0 means 256 MiB. Large
	// ones of one connection come one after the other, so it bounds what either side buffers.
	Max int

	// Pin is how long an object stays for a reference that is on its way to another process; 0
	// means a minute.
	Pin time.Duration

	// Silence is after which time without a sign of life a connection by TCP counts as lost; 0
	// means 10 seconds. Other connections end with the process at their other end.
	Silence time.Duration

	// OnLost is called in a goroutine of its own when the connection to the manager is lost.
	OnLost func(error)

	// Initializer runs in the process of [Start] before it serves. Its error is that of Start.
	Initializer *Initializer

	// Process says how the process of [Start] runs. Name, Daemon and Files are not used.
	Process process.Options
}

const (
	defaultConcurrent = 1024
	defaultMax        = 256 << 20
	defaultPin        = time.Minute
	defaultSilence    = 10 * time.Second
)

// complete fills in what is open.
//
// Errors: options that can never be right.
func (o Options) complete() (Options, error) {
	if o.Concurrent < 0 || o.Max < 0 || o.Pin < 0 || o.Silence < 0 {
		return o, fmt.Errorf("manager: options Concurrent %d, Max %d, Pin %v, Silence %v must not be negative: %w",
			o.Concurrent, o.Max, o.Pin, o.Silence, fs.ErrInvalid)
	}
	if o.Key != nil && len(o.Key) == 0 {
		return o, fmt.Errorf("manager: an empty key protects nothing: give it some bytes, or leave it nil: %w", fs.ErrInvalid)
	}
	if o.Concurrent == 0 {
		o.Concurrent = defaultConcurrent
	}
	if o.Max == 0 {
		o.Max = defaultMax
	}
	if o.Pin == 0 {
		o.Pin = defaultPin
	}
	if o.Silence == 0 {
		o.Silence = defaultSilence
	}
	return o, nil
}

func (o Options) socket() socket.Options {
	return socket.Options{Key: o.Key, TLS: o.TLS, Insecure: o.Insecure}
}
