package mapping

import (
	"fmt"
	"runtime"
	"slices"
)

// processors are those that the order of stores and the layout of words in segments were made for,
// and tested on. Others may be big-endian, have words of 32 bits, or order stores in another way.
var processors = []string{"amd64", "arm64"}

// Processor is the kind of this machine's processor. Only tests change it.
var Processor = runtime.GOARCH

// CheckProcessor returns [ErrUnsupported] on a machine with a processor that segments are not made
// for.
func CheckProcessor() error {
	if !slices.Contains(processors, Processor) {
		return fmt.Errorf("the processor is %s: %w", Processor, ErrUnsupported)
	}
	return nil
}
