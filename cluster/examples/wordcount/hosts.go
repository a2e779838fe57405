package main

import (
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"

	"github.com/shmkit/shmkit/cluster"
)

// hosts are the host processes.
type hosts struct {
	cluster *cluster.Cluster
	cfg     config
	stderr  io.Writer

	mu    sync.Mutex
	all   []*hostProcess
	kills int
}

// A hostProcess ends when its standard input is closed.
type hostProcess struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

func startHosts(c *cluster.Cluster, cfg config, stderr io.Writer) (*hosts, error) {
	h := &hosts{cluster: c, cfg: cfg, stderr: stderr}
	for range cfg.hosts {
		p, err := h.start()
		if err != nil {
			return nil, errors.Join(err, h.close())
		}
		h.all = append(h.all, p)
	}
	return h, nil
}

func (h *hosts) start() (*hostProcess, error) {
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	cmd := exec.Command(program, "-serve", h.cluster.Addr(), "-workers", strconv.Itoa(h.cfg.Workers))
	cmd.Stderr = h.stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start a host: %w", err)
	}
	return &hostProcess{cmd, stdin}, nil
}

// killOne kills a random host, and starts another one, if all hosts serve: on a slow machine none
// would ever come to work otherwise.
func (h *hosts) killOne() {
	serving := map[int]bool{}
	for _, one := range h.cluster.Hosts() {
		serving[one.PID] = true
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.all {
		if !serving[p.cmd.Process.Pid] {
			return
		}
	}
	i := rand.IntN(len(h.all))
	next, err := h.start()
	if err != nil {
		fmt.Fprintf(h.stderr, "wordcount: %v\n", err)
		return
	}
	h.all[i].cmd.Process.Kill()
	h.all[i].cmd.Wait() // it was killed
	h.all[i] = next
	h.kills++
}

func (h *hosts) killed() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.kills
}

// close ends the hosts.
func (h *hosts) close() (err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, p := range h.all {
		p.cmd.Process.Signal(syscall.SIGTERM) // one that has ended is waited for all the same
	}
	for _, p := range h.all {
		err = errors.Join(err, p.cmd.Wait())
	}
	h.all = nil
	return err
}
