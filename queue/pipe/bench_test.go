package pipe

import (
	"fmt"
	"io"
	"net"
	"path/filepath"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
	"github.com/shmkit/shmkit/shm"
)

// roleConnEcho has the other end of the connection that args name, and sends back each message of
// 64 bytes.
var roleConnEcho = proctest.Register("conn-echo", func(args []string) {
	c, err := otherEnd(args)
	proctest.ExitOn(err)
	b := make([]byte, 64)
	for {
		if _, err := io.ReadFull(c, b); err == io.EOF {
			return
		} else {
			proctest.ExitOn(err)
		}
		_, err := c.Write(b)
		proctest.ExitOn(err)
	}
})

// roleConnDrain reads until the connection ends, and says that it has.
var roleConnDrain = proctest.Register("conn-drain", func(args []string) {
	c, err := otherEnd(args)
	proctest.ExitOn(err)
	b := make([]byte, 64<<10)
	for {
		if _, err := c.Read(b); err == io.EOF {
			break
		} else {
			proctest.ExitOn(err)
		}
	}
	proctest.Say("drained")
})

// otherEnd is the end of a child: of the pipe in the segment args[1], or of the unix socket there.
func otherEnd(args []string) (net.Conn, error) {
	policy := policies[args[0]]
	if args[0] == "unix" {
		return net.Dial("unix", args[1])
	}
	seg, err := shm.Open(args[1])
	if err != nil {
		return nil, err
	}
	return Open(seg, "p", Options{Wait: policy})
}

// connectTo starts a child in a role and returns the end here: a pipe that waits as way says, or a
// unix socket.
func connectTo(b testing.TB, role, way string) (c net.Conn, child *proctest.Child) {
	b.Helper()
	path := filepath.Join(proctest.Dir(b), "place")
	if way == "unix" {
		l, err := net.Listen("unix", path)
		if err != nil {
			b.Fatal(err)
		}
		defer l.Close()
		child = proctest.Start(b, role, way, path)
		if c, err = l.Accept(); err != nil {
			b.Fatal(err)
		}
		return c, child
	}
	seg, err := shm.Create(path, shm.Options{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { seg.Close() })
	if c, err = New(seg, "p", Options{Wait: policies[way]}); err != nil {
		b.Fatal(err)
	}
	return c, proctest.Start(b, role, way, path)
}

var ways = []string{"spin", "adaptive", "park", "unix"}

// BenchmarkPipeRoundTrip sends 64 bytes to another process and back.
func BenchmarkPipeRoundTrip(b *testing.B) {
	for _, way := range ways {
		b.Run("way="+way, func(b *testing.B) {
			c, child := connectTo(b, roleConnEcho, way)
			trip := tripper(b, c)
			for range 100 {
				trip()
			}
			b.ReportAllocs()
			b.ResetTimer()
			for range b.N {
				trip()
			}
			b.StopTimer()
			c.Close()
			child.WaitOK()
		})
	}
}

// tripper returns a function that makes a round trip of 64 bytes.
func tripper(b testing.TB, c net.Conn) func() {
	buffer := make([]byte, 64)
	return func() {
		if _, err := c.Write(buffer); err != nil {
			b.Fatal(err)
		}
		if _, err := io.ReadFull(c, buffer); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPipeStream writes to another process.
func BenchmarkPipeStream(b *testing.B) {
	for _, size := range []int{64, 4 << 10, 64 << 10} {
		for _, way := range ways {
			b.Run(fmt.Sprintf("bytes=%d/way=%s", size, way), func(b *testing.B) {
				c, child := connectTo(b, roleConnDrain, way)
				buffer := make([]byte, size)
				c.Write(buffer)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				b.ResetTimer()
				for range b.N {
					if _, err := c.Write(buffer); err != nil {
						b.Fatal(err)
					}
				}
				c.Close()
				child.Expect("drained")
				b.StopTimer()
				child.WaitOK()
			})
		}
	}
}
