package inspect

import (
	"encoding/binary"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/shmkit/shmkit/internal/describe"
	"github.com/shmkit/shmkit/internal/mapping"
	"github.com/shmkit/shmkit/internal/proctab"
)

// A Process is an attachment of a process to a segment.
type Process struct {
	describe.Process
	Attached time.Time `json:"attached,omitzero"`
	// HostPID is its process id as this program sees it; 0: not known, or it has ended.
	HostPID int `json:"hostPid,omitempty"`
	// "running", "sleeping", "stopped", …; "closed" or "died" of one that has ended
	State string `json:"state"`
}

// Bytes of each copy of the process table that is read at once.
const slotsAtOnce = 64 * proctab.SlotBytes

func (s *Segment) readProcesses() error {
	h := &s.header
	boot := mapping.BootID()
	now := [2]uint64{binary.NativeEndian.Uint64(boot[:]), binary.NativeEndian.Uint64(boot[8:])}
	s.EarlierBoot = now != [2]uint64{} && h.Boot != [2]uint64{} && h.Boot != now
	table := make([]byte, int(h.Slots)*proctab.SlotBytes)
	for off := 0; off < len(table); off += slotsAtOnce {
		if _, err := s.ReadAt(table[off:min(off+slotsAtOnce, len(table))], int64(h.Table)+int64(off)); err != nil {
			s.trouble("its process table cannot be read: %v", err)
			return nil
		}
	}
	for n, l := range proctab.LookAt(table) {
		if l.Condition == proctab.Unused {
			continue
		}
		p := Process{Process: describe.Process{Slot: n, Owner: l.Owner, Living: s.lives(n, l)}, State: stateOf(l)}
		if l.Known {
			p.PID, p.Program, p.Attached = l.Info.PID, l.Info.Program, l.Info.Started
		}
		if p.Living {
			p.Foreign = l.Known && l.Info.IsForeign()
			p.HostPID, p.State = 0, "living"
			if !p.Foreign { // else the id is that of another process here
				p.HostPID, p.State = hostProcess(p.PID)
			}
			s.Living++
		} else {
			s.Ended++
			if (l.Condition == proctab.Died || l.ByLock) && !l.Noted && !s.EarlierBoot {
				s.Deaths++ // which no process has noticed
			}
		}
		if p.Attached.After(s.LastAttach) {
			s.LastAttach = p.Attached
		}
		s.processes = append(s.processes, p)
	}
	slices.SortStableFunc(s.processes, func(a, b Process) int {
		if a.Living != b.Living {
			return map[bool]int{true: -1, false: 1}[a.Living]
		}
		return a.Attached.Compare(b.Attached)
	})
	s.byOwner = make(map[proctab.Owner]int, len(s.processes))
	for i := range s.processes {
		s.byOwner[s.processes[i].Owner] = i
	}
	return nil
}

// lives reports whether the process of a slot lives.
func (s *Segment) lives(slot int, l proctab.Look) bool {
	if l.Condition != proctab.Attached || s.EarlierBoot {
		return false
	}
	return !l.ByLock || s.file.byteLocked(int64(s.header.Table)+int64(slot)*proctab.SlotBytes)
}

func stateOf(l proctab.Look) string {
	if l.Condition == proctab.Left {
		return "closed"
	}
	return "died"
}

var stateNames = map[string]string{
	"R": "running", "S": "sleeping", "D": "in the kernel", "T": "stopped", "t": "traced", "Z": "a zombie", "I": "idle",
}

// hostProcess asks procfs for a process.
func hostProcess(pid int) (host int, state string) {
	b, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if pid <= 0 || err != nil {
		return 0, "living"
	}
	text := string(b)
	fields := strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
	if len(fields) == 0 {
		return 0, "living"
	}
	if name, ok := stateNames[fields[0]]; ok {
		return pid, name
	}
	return pid, fmt.Sprintf("in state %s", fields[0])
}
