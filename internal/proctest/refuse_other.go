//go:build !linux

package proctest

import "errors"

var errNoFilter = errors.New("needs Linux")

// Confine fails here.
func Confine(...Refusal) error { return errNoFilter }

func canConfine() error { return errNoFilter }

func confineAndExec([]Refusal) error { return errNoFilter }
