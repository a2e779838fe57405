package proctest

import (
	"net"
	"testing"
)

// A port of the address of this process is free for it again after a listener there has closed,
// although others may have taken the same port of 127.0.0.1.
func TestLoopback(t *testing.T) {
	own, err := net.Listen("tcp", Loopback()+":0")
	if err != nil {
		t.Fatal(err)
	}
	if !own.Addr().(*net.TCPAddr).IP.IsLoopback() {
		t.Errorf("%v can be reached from other machines", own.Addr())
	}
	_, port, err := net.SplitHostPort(own.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	own.Close()
	if other, err := net.Listen("tcp", "127.0.0.1:"+port); err == nil {
		defer other.Close()
	}
	if own, err = net.Listen("tcp", Loopback()+":"+port); err != nil {
		t.Fatal(err)
	}
	own.Close()
}
