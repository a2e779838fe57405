// Package environ reads the variables of the toolkit in the environment: settings, and orders,
// which the toolkit gives to a process that it starts.
//
// A program that runs with more rights than its caller (set-user-ID, set-group-ID, file
// capabilities) takes neither, because the caller has written its environment. See [Secure].
package environ

import (
	"bytes"
	"os"
	"strings"
	"sync"
)

// prefix begins the names of all variables of the toolkit.
const prefix = "SHMKIT_"

// Lookup is os.LookupEnv for a setting of the toolkit. In a [Secure] process no setting is there.
func Lookup(key string) (value string, ok bool) {
	if Secure() {
		return "", false
	}
	return os.LookupEnv(key)
}

// Get is [Lookup] that returns "" for what is not there.
func Get(key string) string {
	value, _ := Lookup(key)
	return value
}

// early are the variables of the toolkit when this package was initialised. A program may clear its
// environment in an init function, and must still find its orders.
var early = variables(os.Environ())

// taken are the orders that [Take] has removed.
var taken sync.Map

// Order is [Lookup] for an order. It also finds an order that the program has removed from its
// environment since its start.
func Order(key string) (value string, ok bool) {
	if Secure() {
		return "", false
	}
	if _, gone := taken.Load(key); gone {
		return "", false
	}
	if value, ok = os.LookupEnv(key); ok {
		return value, true
	}
	if value, ok = early[key]; ok {
		return value, true
	}
	value, ok = first()[key]
	return value, ok
}

// Take is [Order], and removes the order, so that processes which this one starts do not get it.
func Take(key string) (value string, ok bool) {
	value, ok = Order(key)
	taken.Store(key, nil)
	os.Unsetenv(key)
	return value, ok
}

// first are the variables of the toolkit that the program was started with, as the kernel reports
// them. There are none where it does not report them.
var first = sync.OnceValue(func() map[string]string {
	b, err := os.ReadFile("/proc/self/environ")
	if err != nil {
		return nil
	}
	return variables(strings.Split(string(bytes.TrimSuffix(b, []byte{0})), "\x00"))
})

// variables are those of the toolkit in an environment.
func variables(environment []string) map[string]string {
	found := map[string]string{}
	for _, e := range environment {
		if strings.HasPrefix(e, prefix) {
			key, value, _ := strings.Cut(e, "=")
			found[key] = value
		}
	}
	return found
}
