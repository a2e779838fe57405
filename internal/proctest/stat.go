package proctest

import "github.com/prometheus/procfs"

// Stat is what the system says of a process; zeros when there is none.
func Stat(pid int) procfs.ProcStat {
	p, err := procfs.NewProc(pid)
	if err != nil {
		return procfs.ProcStat{}
	}
	stat, err := p.Stat()
	if err != nil {
		return procfs.ProcStat{}
	}
	return stat
}
