package task

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/event"
)

// An odd is an error of a type that no other test uses.
type odd struct{}

func (odd) Error() string { return "odd" }

// An error that is not registered is told of once for each type, and one that is registered never.
func TestErrorsThatStayBehindAreShown(t *testing.T) {
	var b bytes.Buffer
	event.To(slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug}), false)
	defer event.To(nil, false)
	tell := func(err error) { tellLeftBehind(err, FailureOf(err).Registered) }
	tell(fmt.Errorf("read: %w", io.EOF))
	tell(errors.Join(io.EOF, odd{}))
	if b.Len() != 0 {
		t.Errorf("registered errors are told of: %s", &b)
	}
	tell(odd{})
	tell(odd{})
	const want = "only its text reaches the parent, see RegisterError\" process=main type=task.odd error=odd\n"
	if strings.Count(b.String(), "\n") != 1 || !strings.Contains(b.String(), want) {
		t.Errorf("%s", &b)
	}
}
