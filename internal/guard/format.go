package guard

import (
	"fmt"
	"io"
)

// Format prints the error of a panic for its method Format; with %+v the stack of the panic
// follows, which says in which file and line it was.
func Format(s fmt.State, verb rune, text, stack string) {
	switch {
	case verb == 'q':
		fmt.Fprintf(s, "%q", text)
	case verb == 'v' && s.Flag('+') && stack != "":
		fmt.Fprintf(s, "%s\n%s", text, stack)
	default:
		io.WriteString(s, text)
	}
}
