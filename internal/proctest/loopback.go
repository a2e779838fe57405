package proctest

import (
	"fmt"
	"os"
	"runtime"
)

// Loopback is an address of this machine that no other process uses, without a port. A port of it
// that is free stays free until this process takes it: the others, also as clients, have ports of
// 127.0.0.1.
func Loopback() string {
	if runtime.GOOS != "linux" {
		return "127.0.0.1"
	}
	pid := os.Getpid()
	return fmt.Sprintf("127.%d.%d.%d", 1+pid>>16&63, pid>>8&255, pid&255)
}
