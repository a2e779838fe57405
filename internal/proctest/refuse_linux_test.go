package proctest

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

var roleRefused = Register("refused", func([]string) {
	_, err := unix.MemfdCreate("plain", 0)
	Say("memfd_create: %v", err)
	_, err = unix.MemfdCreate("sealable", unix.MFD_ALLOW_SEALING)
	Say("memfd_create with a flag: %v", err)
	_, err = unix.FcntlInt(0, unix.F_GETFD, 0)
	Say("fcntl: %v", err)
	err = unix.FcntlFlock(0, unix.F_OFD_GETLK, &unix.Flock_t{Type: unix.F_RDLCK})
	Say("fcntl with a command: %v", err)
	Say("link: %v", errors.Unwrap(os.Link("/dev/null", "/none/at/all")))
	cmd := exec.Command("/bin/sh", "-c", "ln /dev/null /none/at/all 2>&1; true")
	out, err := cmd.Output()
	Say("of a child: %v", strings.Contains(string(out), "cross-device"))
	if err != nil {
		Say("%v", err)
	}
})

func TestConfineRefusesFromTheStart(t *testing.T) {
	child := Command(t, roleRefused)
	child.Confine(append(Refuse(syscall.EXDEV, unix.SYS_LINKAT),
		RefuseFlag(syscall.EPERM, unix.SYS_MEMFD_CREATE, 1, unix.MFD_ALLOW_SEALING),
		RefuseValue(syscall.EINVAL, unix.SYS_FCNTL, 1, unix.F_OFD_GETLK))...)
	child.Start()
	child.Expect("memfd_create: <nil>")
	child.Expect("memfd_create with a flag: operation not permitted")
	child.Expect("fcntl: <nil>")
	child.Expect("fcntl with a command: invalid argument")
	child.Expect("link: invalid cross-device link")
	child.Expect("of a child: true")
	child.WaitOK()
}

var roleConfines = Register("confines itself", func([]string) {
	err := exec.Command("/bin/true").Run()
	Say("before: %v", err)
	if err := Confine(Refuse(syscall.EACCES, unix.SYS_EXECVE)...); err != nil {
		Say("confine: %v", err)
	}
	ended := make(chan error)
	for range 8 { // on whatever threads
		go func() { ended <- exec.Command("/bin/true").Run() }()
	}
	for range 8 {
		if err := <-ended; !errors.Is(err, syscall.EACCES) {
			Say("after: %v", err)
		}
	}
	Say("end")
})

func TestConfineHoldsForAllThreads(t *testing.T) {
	if err := canConfine(); err != nil {
		t.Skip(err)
	}
	child := Start(t, roleConfines)
	child.Expect("before: <nil>")
	child.Expect("end")
	child.WaitOK()
}

func TestConfinedChildDiesWithItsParent(t *testing.T) {
	if err := canConfine(); err != nil {
		t.Skip(err)
	}
	child := Command(t, roleHangs)
	child.Confine(Refuse(syscall.EPERM, unix.SYS_LINKAT)...)
	child.Start()
	child.Expect("ready")
	if state := child.Kill(); state.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		t.Error(state)
	}
}
