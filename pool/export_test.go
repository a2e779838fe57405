package pool

import "fmt"

// Leftovers says which blocks of shared memory an idle pool still has.
func Leftovers(p *Pool) error {
	if err := p.s.Reclaim(); err != nil {
		return err
	}
	r, err := p.s.Check()
	if err == nil && r.Blocks != 0 {
		err = fmt.Errorf("%d blocks are left", r.Blocks)
	}
	return err
}
