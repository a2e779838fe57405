//go:build linux

package bench

import (
	"io"
	"net"
	"os"
	"path/filepath"

	"github.com/shmkit/shmkit/shm"
	shmsync "github.com/shmkit/shmkit/sync"
	"golang.org/x/sys/unix"
)

// opener opens one process's side of a connection by the operating system. It returns where the
// process writes, and where it reads.
type opener func(l *lane) (io.Writer, io.Reader, error)

func linkConn(open opener) linker {
	return func(_ *shm.Segment, l *lane, size int, _ shmsync.WaitPolicy) (link, error) {
		w, r, err := open(l)
		return linkStream(w, r, size), err
	}
}

// openSocket connects the processes by a unix socket. Only the two sides use it.
func openSocket(l *lane) (io.Writer, io.Reader, error) {
	path := filepath.Join(l.dir, "socket")
	switch l.number {
	case noProcess:
		return nil, nil, nil
	case 0:
		listener, err := net.Listen("unix", path)
		if err != nil {
			return nil, nil, err
		}
		defer listener.Close()
		c, err := listener.Accept()
		return c, c, err
	}
	var c net.Conn
	err := retry(func() (err error) {
		c, err = net.Dial("unix", path)
		return err
	})
	return c, c, err
}

// openFIFOs connects the processes by two pipes of the kernel, which have names so that both find
// them.
func openFIFOs(l *lane) (w io.Writer, r io.Reader, err error) {
	there, back := filepath.Join(l.dir, "there"), filepath.Join(l.dir, "back")
	if l.number == noProcess {
		if err := unix.Mkfifo(there, 0o600); err != nil {
			return nil, nil, err
		}
		return nil, nil, unix.Mkfifo(back, 0o600)
	}
	thereFlag, backFlag := os.O_WRONLY, os.O_RDONLY
	if l.number == 1 {
		thereFlag, backFlag = backFlag, thereFlag
	}
	// Each open waits for the other process, so both must open them in the same order.
	t, err := os.OpenFile(there, thereFlag, 0)
	if err != nil {
		return nil, nil, err
	}
	b, err := os.OpenFile(back, backFlag, 0)
	if l.number == 1 {
		t, b = b, t
	}
	return t, b, err
}
