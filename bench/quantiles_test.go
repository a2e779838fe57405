//go:build linux

package bench

import (
	"flag"
	"fmt"
	"testing"
)

// manyQuantiles adds more percentiles to the rows of single operations, as a picture of their
// distribution needs them.
var manyQuantiles = flag.Bool("quantiles", false, "report p1 to p99.99 of single operations, in ns")

// reportQuantiles gives b the percentiles that -quantiles asks for, of the nanoseconds of single
// operations. Those with no operation beyond them are left out.
func reportQuantiles(b *testing.B, ns []float64) {
	if !*manyQuantiles {
		return
	}
	for _, percent := range []float64{1, 5, 10, 25, 50, 75, 90, 95, 99, 99.9, 99.99} {
		if percent > 50 && float64(len(ns))*(100-percent)/100 < 1 {
			continue
		}
		b.ReportMetric(quantile(ns, percent/100), fmt.Sprintf("q%g-ns", percent))
	}
}
