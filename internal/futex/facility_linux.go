package futex

import (
	"strings"
	"sync"

	"github.com/shmkit/shmkit/internal/environ"
)

// FallbackEnv names the environment variable which switches kernel facilities
// off, for tests and for sandboxes that misreport them: a comma-separated list of
// "waitv", "membarrier" and "robust" (see the package proctab).
const FallbackEnv = "SHMKIT_FALLBACK"

// Disabled reports whether the facility is switched off by [FallbackEnv].
func Disabled(facility string) bool {
	for f := range strings.SplitSeq(environ.Get(FallbackEnv), ",") {
		if strings.TrimSpace(f) == facility {
			return true
		}
	}
	return false
}

// HasWaitAny reports whether the kernel can wait for several words at once
// (futex_waitv, Linux 5.16).
var HasWaitAny = sync.OnceValue(func() bool {
	return !Disabled("waitv") && probeWaitAny()
})
