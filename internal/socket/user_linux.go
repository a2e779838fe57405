package socket

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// checkUser says whether the process at the other end of a unix socket is of this user, or of root.
//
// Errors: [fs.ErrPermission], those of the system.
func checkUser(c net.Conn) error {
	raw, err := c.(*net.UnixConn).SyscallConn()
	if err != nil {
		return err
	}
	var cred *unix.Ucred
	failed := raw.Control(func(fd uintptr) {
		cred, err = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	})
	if err := errors.Join(failed, err); err != nil {
		return err
	}
	if int(cred.Uid) != os.Geteuid() && cred.Uid != 0 {
		return fmt.Errorf("the process %d at the other end is of user %d: %w", cred.Pid, cred.Uid, fs.ErrPermission)
	}
	return nil
}

// isRefused reports whether no process listens.
func isRefused(err error) bool { return errors.Is(err, unix.ECONNREFUSED) }
