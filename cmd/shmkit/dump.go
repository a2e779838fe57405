package main

import (
	"bytes"
	"os"

	"github.com/spf13/cobra"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/inspect"
)

func (t *tool) dumpCommand() *cobra.Command {
	scrub := false
	c := &cobra.Command{
		Use:   "dump SEGMENT FILE",
		Short: "Copy a segment to a file that show can read, for a report of a fault",
		Long: `Dump copies what takes memory, as it is at this moment: a copy of a segment that is in use may be torn,
and no program should open it. With -scrub it leaves out what objects hold, keys of a Dict and
arguments of tasks included: bookkeeping, names, types and locks remain. Of an object that cannot be
described only its name remains.`,
		Example:           "  shmkit dump visits visits.seg -scrub",
		Args:              needs(2, 2, "dump needs the name of a segment, and that of a file"),
		ValidArgsFunction: t.complete,
		RunE: func(c *cobra.Command, args []string) error {
			ctx, cancel := t.bounded(c)
			defer cancel()
			v, s, err := t.lookAtOne(ctx, args[0])
			if err != nil {
				return err
			}
			defer v.close()
			f, err := os.OpenFile(args[1], os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
			if err != nil {
				return err
			}
			err = dump(s, f, scrub)
			if closed := f.Close(); err == nil {
				err = closed
			}
			if err != nil {
				os.Remove(args[1])
				return err
			}
			if t.json {
				return t.writeJSON("dump", answer{Result: map[string]any{"file": args[1], "scrubbed": scrub}})
			}
			return nil
		},
	}
	c.Flags().BoolVar(&scrub, "scrub", false, "leave out what objects hold")
	return c
}

const pageBytes = 4096

func dump(s *inspect.Segment, f *os.File, scrub bool) error {
	if err := f.Truncate(int64(s.SizeBytes)); err != nil {
		return err
	}
	heap, _ := s.Layout()
	zeros := make([]byte, pageBytes)
	err := s.Copy(func(b []byte, off int64) error {
		if scrub && uint64(off) >= heap {
			return nil
		}
		for ; len(b) > 0; b, off = b[min(pageBytes, len(b)):], off+pageBytes {
			if page := b[:min(pageBytes, len(b))]; !bytes.Equal(page, zeros[:len(page)]) {
				if _, err := f.WriteAt(page, off); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err == nil && scrub {
		err = dumpKept(s, f)
	}
	return err
}

// dumpKept writes of the heap what holds no values: names, types, what is known of objects without
// what they hold, and the objects that are locks.
func dumpKept(s *inspect.Segment, f *os.File) error {
	write := func(off, end uint64) error {
		b := make([]byte, end-off)
		if _, err := s.ReadAt(b, int64(off)); err != nil {
			return err
		}
		_, err := f.WriteAt(b, int64(off))
		return err
	}
	type part struct{ off, end uint64 }
	var parts []part
	want := describe.Want{Bare: true, Told: func(off, n uint64) { parts = append(parts, part{off, off + n}) }}
	for o, err := range s.All(want) {
		if err != nil {
			return err
		}
		if o.Error != "" || o.Block == 0 { // what was read may be anything
			parts = parts[:0]
			continue
		}
		end := o.Offset
		if keeps[o.Kind] {
			end += o.Bytes
		}
		for _, p := range append(parts, part{o.Block, end}) {
			if err := write(p.off, p.end); err != nil {
				return err
			}
		}
		parts = parts[:0]
	}
	return nil
}

// keeps are the kinds that hold no values.
var keeps = map[string]bool{
	"Mutex": true, "RecursiveMutex": true, "RWMutex": true, "Semaphore": true, "Cond": true, "Event": true, "Barrier": true,
	"Once": true, "WaitGroup": true, "listener": true,
}
