//go:build !linux

package proctab

type robustHead struct{}

func (h *robustHead) end() uint64       { return 0 }
func (h *robustHead) register() bool    { return false }
func (s *slot) node() uint64            { return 0 }
func (s *slot) setNext(uint64)          {}
func (h *robustHead) setNext(uint64)    {}
func (h *robustHead) setPending(uint64) {}

func threadID() uint32 { return 1 }
