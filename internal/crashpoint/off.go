//go:build !crashtest

package crashpoint

// Enabled says whether this build has crash points.
const Enabled = false

// Here marks a point between two writes to shared memory. In this build it is nothing.
func Here(name string) {}
