package notice

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/shmkit/shmkit/internal/proctest"
)

func TestMain(m *testing.M) { proctest.Main(m) }

var roleMisses = proctest.Register("misses", func([]string) {
	Missing("first", "it takes longer")
	Missing("second", "it takes much longer")
	Missing("first", "it takes longer")
	var b bytes.Buffer
	To(slog.NewTextHandler(&b, nil))
	Missing("third", "it takes for ever")
	Missing("third", "it takes for ever")
	proctest.Say("%q", b.String())
})

// Each facility is logged once: at once if the environment asks for it, otherwise when there is a
// handler.
func TestMissingIsToldOnce(t *testing.T) {
	for level, early := range map[string]bool{"INFO": true, "DEBUG": true, "WARN": false, "": false, "loud": false} {
		c := proctest.Command(t, roleMisses)
		c.Cmd.Env = append(c.Cmd.Env, LevelEnv+"="+level)
		c.Start()
		late := c.Line()
		c.WaitOK()
		for _, facility := range []string{"first", "second", "third"} {
			where, other := late, c.Stderr()
			if early && facility != "third" {
				where, other = other, where
			}
			if text := "facility=" + facility; strings.Count(where, text) != 1 || strings.Contains(other, text) {
				t.Errorf("%q: %s is not told of once: on standard error %q, to the handler %s", level, facility, c.Stderr(), late)
			}
		}
	}
}
