package manager

import (
	"runtime/debug"
	"strings"
	"sync"

	wire "github.com/shmkit/shmkit/internal/codec"
	"github.com/shmkit/shmkit/internal/frame"
)

// The kinds of frames. C: from the client; S: from the server. Each request has a call number, and
// ends with a result or an error of that number.
const (
	kindHello frame.Kind = 2 + iota // S: a welcome, the first frame of a connection
	kindCall                        // C: request: call a method
	// C: request: open an object of a type; Method is the type's number
	kindNew
	kindNamed  // C: request: the object of a name, opened if there is none
	kindRemove // C: request: end the name of an object
	// C: request: keep an object until its reference has arrived elsewhere
	kindPin
	kindRedeem  // C: request: a reference for a pin
	kindList    // C: request: the objects
	kindRelease // C: a reference is gone
	kindCancel  // C: the caller of a request does not wait any more
	kindMore    // C: so many bytes of an iteration were consumed, in Object
	kindResult  // S: what a request returns; its end, for an iteration
	kindError   // S: a failure
	kindItem    // S: one value of an iteration
	kindPing    // both: this side lives
	kindBye     // S: no more requests; C: the connection ends
)

// Flags of frames, beside frame.Chunked and frame.Nil, which is that of the value.
const (
	flagRef    = 1 << iota // S: Object is a reference that the client has got
	flagDetach             // C: the caller waits without a context: nothing cancels the request
	// C: the payload begins with the exclusive objects that the caller holds
	flagChain
	flagIterate // C: the caller takes the values of an iteration
)

// window is how many bytes of an iteration are under way to a client, each value with its head.
const window = 256 << 10

// A welcome is what a server says of itself.
type welcome struct {
	Name        string
	Build       string
	Incarnation uint64
	Concurrent  int
	Max         int
	Types       []signature // by number
	Methods     []signature
}

// A signature is a type or a method, and how its arguments and results travel.
type signature struct {
	Name string
	Form string
}

// A failure is how an error travels.
type failure struct {
	Class      failureClass
	Type       string // the Go type of the error
	Text       string
	Stack      string
	Registered []string
}

// A failureClass says which error the client makes of a failure.
type failureClass uint8

const (
	failedMethod failureClass = iota // the method, or the function that opens, returned an error
	failedPanic                      // it panicked, or ended its goroutine
	failedServer                     // the server could not do it, or could not send its result
	failedGone
	failedNoMethod
	failedExclusive
	failedClosing
	failedMismatch
)

// encodeFailure never fails: what cannot be encoded is left out.
func encodeFailure(f failure) []byte {
	b, err := wire.Encode(f)
	if err != nil {
		b, _ = wire.Encode(failure{Class: f.Class, Text: strings.ToValidUTF8(f.Text, "?")})
	}
	return b
}

// build says of which build this process is.
var build = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "a build without information"
	}
	text := info.Path + " " + info.Main.Version + " " + info.GoVersion
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" || s.Key == "vcs.modified" {
			text += " " + s.Value
		}
	}
	return text
})
