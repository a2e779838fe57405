package proctest

import "strings"

// Calls are the system calls in a log of strace -f, each as one line: the call of another thread
// may stand between the beginning of one and its end.
func Calls(log string) (calls []string) {
	begun := map[string]string{}
	for line := range strings.Lines(log) {
		thread, call, _ := strings.Cut(strings.TrimSpace(line), " ")
		call = strings.TrimSpace(call)
		if begin, ok := strings.CutSuffix(call, "<unfinished ...>"); ok {
			begun[thread] = begin
			continue
		}
		if strings.HasPrefix(call, "<... ") {
			_, end, _ := strings.Cut(call, "resumed>")
			call = begun[thread] + end
		}
		calls = append(calls, call)
	}
	return calls
}
